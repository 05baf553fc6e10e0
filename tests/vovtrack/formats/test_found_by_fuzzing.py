"""Files that once broke a reader, found by ``tools/fuzz_readers.py``: each ends in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from readers import READERS, fault

FILES = sorted((Path(__file__).parents[2] / "data/fuzz").iterdir())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_reads_or_says_why_not(file, tmp_path):
    reader = READERS[file.name.partition("-")[0]]
    error = fault(reader, file.read_bytes(), tmp_path)
    if error is not None:
        raise error
