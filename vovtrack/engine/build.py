"""From the name of a config to a tracker that is ready for frames."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from vovtrack.engine.checkpoint import load_checkpoint_into
from vovtrack.engine.online import OVOnlineTracker
from vovtrack.engine.speed import prepare_for_speed
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {"mini": "configs/mini/ovtrack.py"}
"""Short names of configs that come with weights."""


def load_tracker(
    config_or_name: str | Path,
    checkpoint: str | Path | None = None,
    classes: Sequence[str] | str | None = None,
    device: str | None = None,
    amp: str | None = None,
) -> OVOnlineTracker:
    """Build a tracker and load its weights.

    Args:
        config_or_name: ``mini``, the file name of a config without ``.py``, or a path.
        checkpoint: Weights; by default those that the config names as its own.
        classes: Names to track, a list or "a, b"; by default the vocabulary of the config.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; by default a GPU if there is one.
        amp: ``bf16`` or ``fp16`` for mixed precision.

    Raises:
        InputError: Unknown config, missing or unfit checkpoint, or unusable class names.
    """
    cfg = Config.fromfile(find_config(config_or_name))
    checkpoint = checkpoint or cfg.get("default_checkpoint")
    if checkpoint is None:
        raise InputError(f"Config '{config_or_name}' comes without weights: give a checkpoint.")
    model = MODELS.build(_without_pretraining(cfg).model)
    load_checkpoint_into(model, _existing(checkpoint))
    if classes is not None:
        model.set_classes(split_names(classes))
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = prepare_for_speed(model.eval()).to(device)
    return OVOnlineTracker(model, scale=tuple(cfg.frame_scale), amp=amp)


def find_config(config_or_name: str | Path) -> Path:
    """Path of a config given by short name, file name or path; near matches if there is none."""
    for candidate in (Path(config_or_name), REPOSITORY / NAMES.get(str(config_or_name), "-")):
        if candidate.is_file():
            return candidate
    known = {
        path.stem: path
        for path in (REPOSITORY / "configs").rglob("*.py")
        if "_base_" not in path.parts
    }
    if str(config_or_name) in known:
        return known[str(config_or_name)]
    near = difflib.get_close_matches(str(config_or_name), [*NAMES, *known], n=3, cutoff=0.4)
    hint = f" Near matches: {', '.join(near)}." if near else ""
    raise InputError(f"There is no config '{config_or_name}'.{hint}")


def split_names(classes: Sequence[str] | str) -> list[str]:
    """Class names from a list or a comma-separated text."""
    return [n.strip() for n in classes.split(",")] if isinstance(classes, str) else list(classes)


def _existing(checkpoint: str | Path) -> Path:
    for candidate in (Path(checkpoint), REPOSITORY / checkpoint):
        if candidate.is_file():
            return candidate
    raise InputError(f"Checkpoint '{checkpoint}' does not exist.")


def _without_pretraining(cfg: Config) -> Config:
    """The checkpoint holds all weights: nothing needs to be fetched for the backbone."""
    cfg.model.backbone.init_cfg = None
    return cfg
