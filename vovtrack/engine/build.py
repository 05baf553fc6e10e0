"""From the name of a config to a tracker that is ready for frames."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError

from vovtrack.engine.checkpoint import load_checkpoint_into
from vovtrack.engine.online import OVOnlineTracker, split_names
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
        InputError: Unknown config or one of no tracker, missing or unfit checkpoint, unusable
            class names or device.
    """
    device = _usable(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    cfg = _read_config(find_config(config_or_name))
    checkpoint = checkpoint or cfg.get("default_checkpoint")
    if checkpoint is None:
        raise InputError(f"Config '{config_or_name}' comes without weights: give a checkpoint.")
    model = MODELS.build(_without_pretraining(cfg).model)
    if not hasattr(model, "tracker"):
        raise InputError(f"Config '{config_or_name}' builds a {type(model).__name__}, no tracker.")
    load_checkpoint_into(model, _existing(checkpoint))
    if classes is not None:
        model.set_classes(split_names(classes))
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


def _read_config(path: Path) -> Config:
    try:
        cfg = Config.fromfile(path)
    except (OSError, SyntaxError, ConfigParsingError) as error:
        raise InputError(f"Config '{path}' cannot be read: {error}.") from None
    for key in ("model", "frame_scale"):
        if key not in cfg:
            raise InputError(f"Config '{path}' has no '{key}': is it the config of a tracker?")
    return cfg


def _usable(device: str) -> str:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"Device '{device}' cannot be used here: {reason}") from None
    return device


def _existing(checkpoint: str | Path) -> Path:
    for candidate in (Path(checkpoint), REPOSITORY / checkpoint):
        if candidate.is_file():
            return candidate
    raise InputError(f"Checkpoint '{checkpoint}' does not exist.")


def _without_pretraining(cfg: Config) -> Config:
    """The checkpoint holds all weights: nothing needs to be fetched for the backbone."""
    if "backbone" in cfg.model:
        cfg.model.backbone.init_cfg = None
    return cfg
