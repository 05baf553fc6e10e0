"""From the name of a config to a tracker that is ready for frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from inspect import signature
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from vovtrack import compat
from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.engine.configs import find_config, misfits_told, read_config
from vovtrack.engine.fuse import mix_precision, prepare_for_speed
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.packaged_trackers import find_tracker, find_whole_tracker
from vovtrack.engine.processes import own_device
from vovtrack.engine.shipped import SHIPPED
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.engine.weights.download import how_to_get
from vovtrack.errors import InputError
from vovtrack.files.targets import mark_input
from vovtrack.registry import MODELS, TASK_UTILS
from vovtrack.structures import Target, Vocabulary


def load_tracker(
    config_or_name: str | Path,
    checkpoint: str | Path | None = None,
    classes: Sequence[str] | str | Vocabulary | None = None,
    device: str | None = None,
    amp: str | None = None,
    trust_config: bool = False,
    tracker: str | Path | None = None,
) -> OnlineTracker:
    """Build the online tracker that a config names, and load its weights.

    Args:
        config_or_name: ``mini``, the file name of a config without ``.py``, or a path.
        checkpoint: Weights; by default those that the config names as its own.
        classes: What to track, see :meth:`Vocabulary.parse`; by default the vocabulary of the
            config.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; by default a GPU if there is one.
        amp: ``bf16`` or ``fp16`` for mixed precision.
        trust_config: Run a ``.py`` config from outside of the project.
        tracker: What links the detections in place of the config's own ``model.tracker``, see
            :func:`vovtrack.engine.packaged_trackers.find_tracker`; or a tracker by itself, which
            takes the place of the config.

    Raises:
        InputError: Unknown config or not one of a tracker, missing or unfit checkpoint, unusable
            class names or device, or a ``tracker`` for a model that has none to replace.
    """
    device = own_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    whole = None if tracker is None else find_whole_tracker(tracker, trust_config)
    if whole is not None and checkpoint is not None:
        raise InputError(f"The tracker '{tracker}' has no weights: leave the checkpoint out.")
    cfg = whole or read_config(find_config(config_or_name), trust_config)
    if not isinstance(cfg.get("online"), dict) or "type" not in cfg.online:
        raise InputError(
            f"Config '{config_or_name}' is not one of a tracker: it has no 'online' with a 'type', "
            "the class that tracks frame by frame."
        )
    if tracker is not None and whole is None:
        if "tracker" not in cfg.get("model", {}):
            raise InputError(
                f"Config '{config_or_name}' has no model.tracker that '{tracker}' could replace."
            )
        cfg.model.tracker = find_tracker(tracker, trust_config=trust_config)
    model = None
    if "model" in cfg:
        model = _load_weights(cfg, config_or_name, checkpoint)
        model = prepare_for_speed(model.eval()).to(device)
        model = model if amp is None else mix_precision(model, amp)
    online = build_online(cfg, model)
    if classes is not None:
        online.start(None, Target(classes=Vocabulary.parse(classes)))
    return online


def build_online(cfg: Config, model: BaseModel | None) -> OnlineTracker:
    """Build the class that tracks frame by frame, ``online`` of a config.

    Args:
        cfg: The config.
        model: Its network, ready to use; None if it has none. A class that takes none is built
            without, such as a baseline in the place of the config's own tracker.
    """
    with _scope_of(cfg), misfits_told(cfg):
        cls = TASK_UTILS.get(cfg.online.type)
        takes = signature(cls).parameters if cls else {}
        parts: dict[str, BaseModel | FramePipeline] = {}
        if model is not None and "model" in takes:
            parts["model"] = model
        if model is not None and "pipeline" in takes:
            parts["pipeline"] = FramePipeline.of(cfg)
        return TASK_UTILS.build(cfg.online, default_args=parts)


def weights_of(
    config_or_name: str | Path, checkpoint: str | Path | None = None, trust_config: bool = False
) -> Path | None:
    """The file whose weights :func:`load_tracker` loads; None for a config without a model.

    Raises:
        InputError: Unknown config, or a checkpoint that is missing or not named.
    """
    cfg = read_config(find_config(config_or_name), trust_config)
    return _checkpoint(cfg, config_or_name, checkpoint) if "model" in cfg else None


def _checkpoint(cfg: Config, config_or_name: str | Path, checkpoint: str | Path | None) -> Path:
    """The given weights, or the config's own."""
    checkpoint = checkpoint or cfg.get("default_checkpoint")
    if checkpoint is None:
        raise InputError(f"Config '{config_or_name}' comes without weights: give a checkpoint.")
    return _existing(checkpoint)


def _load_weights(
    cfg: Config, config_or_name: str | Path, checkpoint: str | Path | None
) -> BaseModel:
    weights = _checkpoint(cfg, config_or_name, checkpoint)
    model = build_model(without_pretraining(cfg))
    load_checkpoint_into(model, weights)
    return model


def build_model(cfg: Config) -> BaseModel:
    """Build the model of a config in the scope that its part names have.

    A runner that was built before in this process may have left another scope behind.
    """
    with _scope_of(cfg), misfits_told(cfg):
        return MODELS.build(cfg.model)


def _scope_of(cfg: Config) -> AbstractContextManager:
    return DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmdet")


def load_model(
    config_or_name: str | Path,
    checkpoint: str | Path,
    device: str = "cpu",
    trust_config: bool = False,
) -> tuple[BaseModel, Config]:
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
    model = _load_weights(cfg, config_or_name, checkpoint)
    return model.eval().to(own_device(device)), cfg


def _existing(checkpoint: str | Path) -> Path:
    for candidate in (Path(checkpoint), SHIPPED / checkpoint):
        if candidate.is_file():
            mark_input(candidate, "the checkpoint")
            return candidate
    raise InputError(f"Checkpoint '{checkpoint}' does not exist: {how_to_get(checkpoint)}.")


def without_pretraining(cfg: Config) -> Config:
    """The checkpoint holds all weights: nothing needs to be fetched for the backbone."""
    detector = cfg.model.get("detector", cfg.model)
    if "init_cfg" in detector.get("backbone", {}):
        detector.backbone.init_cfg = None
    return cfg
