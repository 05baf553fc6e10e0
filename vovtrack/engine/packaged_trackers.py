"""Trackers by name: the part of a model that links detections, exchanged for another.

Some are trackers by themselves and need no model: they follow what they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from vovtrack.engine.configs import find_config
from vovtrack.engine.run import load_config
from vovtrack.engine.shipped import CONFIGS
from vovtrack.errors import InputError

TRACKERS = CONFIGS / "_base_" / "trackers"
"""Configs of trackers alone, which go by the names of their files."""
POINT_TRACKERS = CONFIGS / "_base_" / "point_trackers"
"""The same of trackers of points, which need no model."""


def find_tracker(
    name: str | Path, cfg_options: Sequence[str] = (), trust_config: bool = False
) -> dict:
    """Config of a tracker by its name in ``configs/_base_/trackers``, or of any config.

    Args:
        name: ``ovtracker``, ``bytetrack``, ..., or a config whose ``model.tracker`` is meant.
        cfg_options: ``key=value`` texts, see :mod:`vovtrack.engine.options`.
        trust_config: Run a ``.py`` config from outside of the project.

    Raises:
        InputError: There is none, or an option that it does not know.
    """
    cfg = _read(name, cfg_options, trust_config)
    if "tracker" not in cfg.get("model", {}):
        raise InputError(f"Config '{name}' has no model.tracker.")
    return cfg.model.tracker.to_dict()


def find_whole_tracker(name: str | Path, trust_config: bool = False) -> Config | None:
    """Config of a tracker that is one by itself, such as ``lucas-kanade``.

    Args:
        name: See :func:`find_tracker`.
        trust_config: Run a ``.py`` config from outside of the project.

    Returns:
        The config, with ``online`` and without ``model``; None of a tracker of a model.

    Raises:
        InputError: There is no tracker or config of that name.
    """
    cfg = _read(name, (), trust_config)
    return cfg if "online" in cfg and "model" not in cfg else None


def _read(name: str | Path, cfg_options: Sequence[str], trust_config: bool) -> Config:
    linking, following = (
        {path.stem: path for path in sorted(folder.glob("*.py"))}
        for folder in (TRACKERS, POINT_TRACKERS)
    )
    try:
        path = (linking | following).get(str(name)) or find_config(name)
    except InputError as error:
        raise InputError(
            f"{error} Trackers by name: {', '.join(linking)}; of points: {', '.join(following)}."
        ) from None
    return load_config(path, cfg_options=cfg_options, trust_config=trust_config)
