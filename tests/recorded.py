"""Recorded outputs of the original systems, one folder for each.

``VOVTRACK_GOLDEN`` names a folder of other recordings, with a folder for each system; without it
the copies under ``tests/data/golden`` are read. Another recording has the same file names, but
another salt, other sizes and other cases: tests read them from the files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.npyio import NpzFile

from tests.places import ROOT


class Recorded:
    """The recordings of one system; a file that they lack skips the test that asks for it.

    Args:
        system: Name of the folder.
    """

    def __init__(self, system: str) -> None:
        root = os.environ.get("VOVTRACK_GOLDEN") or ROOT / "tests/data/golden"
        self.folder = Path(root) / system

    @property
    def salt(self) -> str:
        """What seeds the draws of this recording, see ``tests/seeded.py``."""
        return str(self.json("golden.json")["salt"])

    def path(self, name: str) -> Path:
        """A file or folder."""
        path = self.folder / name
        if not path.exists():
            pytest.skip(f"the recordings in '{self.folder}' have no '{name}'")
        return path

    def json(self, name: str) -> Any:
        """The content of a JSON file."""
        return json.loads(self.path(name).read_text())

    def arrays(self, name: str) -> NpzFile:
        """The arrays of an NPZ file."""
        return np.load(self.path(name), allow_pickle=False)

    def meta(self, name: str) -> dict[str, Any]:
        """The settings of an NPZ file."""
        return json.loads(str(self.arrays(name)["meta_json"]))
