"""From the name of a config to a tracker that is ready for frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from vovtrack import compat
from vovtrack.engine.configs import find_config, read_config
from vovtrack.engine.fuse import prepare_for_speed
from vovtrack.engine.online import OVOnlineTracker, split_names
from vovtrack.engine.processes import own_device
from vovtrack.engine.shipped import SHIPPED
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.errors import InputError
from vovtrack.files.targets import mark_input
from vovtrack.registry import MODELS


def load_tracker(
    config_or_name: str | Path,
    checkpoint: str | Path | None = None,
    classes: Sequence[str] | str | None = None,
    device: str | None = None,
    amp: str | None = None,
    trust_config: bool = False,
) -> OVOnlineTracker:
    """Build a tracker and load its weights.

    Args:
        config_or_name: ``mini``, the file name of a config without ``.py``, or a path.
        checkpoint: Weights; by default those that the config names as its own.
        classes: Names to track, a list or "a, b"; by default the vocabulary of the config.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; by default a GPU if there is one.
        amp: ``bf16`` or ``fp16`` for mixed precision.
        trust_config: Run a ``.py`` config from outside of the project.

    Raises:
        InputError: Unknown config or one of no tracker, missing or unfit checkpoint, unusable
            class names or device.
    """
    device = own_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    cfg = _read_tracker_config(find_config(config_or_name), trust_config)
    checkpoint = checkpoint or cfg.get("default_checkpoint")
    if checkpoint is None:
        raise InputError(f"Config '{config_or_name}' comes without weights: give a checkpoint.")
    model = build_model(without_pretraining(cfg))
    if not hasattr(model, "tracker"):
        raise InputError(f"Config '{config_or_name}' builds a {type(model).__name__}, no tracker.")
    load_checkpoint_into(model, _existing(checkpoint))
    if classes is not None:
        model.set_classes(split_names(classes))
    model = prepare_for_speed(model.eval()).to(device)
    return OVOnlineTracker(model, scale=tuple(cfg.frame_scale), amp=amp)


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a config in the scope that its part names have.

    A runner that was built before in this process may have left another scope behind.
    """
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmdet"):
        return MODELS.build(cfg.model)


def load_model(
    config_or_name: str | Path,
    checkpoint: str | Path,
    device: str = "cpu",
    trust_config: bool = False,
) -> tuple[nn.Module, Config]:
    """Build the model of any config and load its weights.

    Args:
        config_or_name: As for :func:`load_tracker`.
        checkpoint: Weights of all of its parameters.
        device: Where the model goes.
        trust_config: As for :func:`load_tracker`.

    Returns:
        The model in evaluation mode, and the config.

    Raises:
        InputError: Unknown config, missing or unfit checkpoint, unusable device.
    """
    compat.install()
    cfg = read_config(find_config(config_or_name), trust_config)
    if "model" not in cfg:
        raise InputError(f"Config '{config_or_name}' has no 'model'.")
    model = build_model(without_pretraining(cfg))
    load_checkpoint_into(model, _existing(checkpoint))
    return model.eval().to(own_device(device)), cfg


def _read_tracker_config(path: Path, trust_config: bool) -> Config:
    cfg = read_config(path, trust_config)
    for key in ("model", "frame_scale"):
        if key not in cfg:
            raise InputError(f"Config '{path}' has no '{key}': is it the config of a tracker?")
    return cfg


def _existing(checkpoint: str | Path) -> Path:
    for candidate in (Path(checkpoint), SHIPPED / checkpoint):
        if candidate.is_file():
            mark_input(candidate, "the checkpoint")
            return candidate
    raise InputError(f"Checkpoint '{checkpoint}' does not exist.")


def without_pretraining(cfg: Config) -> Config:
    """The checkpoint holds all weights: nothing needs to be fetched for the backbone."""
    if "backbone" in cfg.model:
        cfg.model.backbone.init_cfg = None
    return cfg
