"""Where the configs and small weights lie that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def _find() -> Path:
    packaged = Path(str(files("vovtrack"))).resolve() / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2]


SHIPPED = _find()
"""Holds ``configs`` and ``saved_models``: the repository, or its copy in an installed package."""
CONFIGS = SHIPPED / "configs"
"""The folder whose ``.py`` configs may run."""
SYSTEMS = CONFIGS / "_base_" / "systems"
"""Of each system of the project a config that imports it, and a list of its published weights."""
