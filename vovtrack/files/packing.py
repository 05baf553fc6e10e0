"""Files packed together, byte by byte the same whenever they are the same."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.files.atomic import atomic_write


def pack(path: str | Path, files: Iterable[str | Path]) -> None:
    """Write a ``.zip`` archive of files by their names alone; complete or not at all.

    Args:
        path: The archive.
        files: What goes into it, in this order.
    """
    with atomic_write(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for member in map(Path, files):
            archive.writestr(_entry(member.name), member.read_bytes(), zipfile.ZIP_DEFLATED)


def pack_texts(path: str | Path, texts: Mapping[str, str]) -> None:
    """Write texts by name into a ``.zip``, complete or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    with atomic_write(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, text in texts.items():
            archive.writestr(_entry(name), text, zipfile.ZIP_DEFLATED)


def _entry(name: str) -> zipfile.ZipInfo:
    """A member that everyone may read, with the one fixed date that is ZipInfo's default."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


def write_npz(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as a compressed ``.npz`` file; complete or not at all."""
    with atomic_write(path, "wb") as file:
        fill_npz(file, arrays)


def fill_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays into a file that is open; those of a memory map are not copied."""
    np.savez_compressed(file, allow_pickle=False, **arrays)
