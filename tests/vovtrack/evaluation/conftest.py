from __future__ import annotations

import gzip
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded(repo_root: Path, tmp_path_factory: pytest.TempPathFactory):
    """Unpack a recorded file of tests/data/evaluation and return its path."""
    folder = tmp_path_factory.mktemp("recorded")

    def unpack(name: str) -> Path:
        target = folder / f"{name}.json"
        if not target.exists():
            packed = repo_root / "tests/data/evaluation" / f"{name}.json.gz"
            target.write_bytes(gzip.decompress(packed.read_bytes()))
        return target

    return unpack
