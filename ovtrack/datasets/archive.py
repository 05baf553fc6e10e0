"""Images by their base names, in a folder or as encoded bytes in one HDF5 file.

An image in an HDF5 file has the address ``hdf5://FILE.h5/NAME``, which every loader of mmcv reads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend

from vovtrack.errors import InputError

PREFIX = "hdf5"
SUFFIXES = (".h5", ".hdf5")


def open_images(path: str | Path) -> dict[str, str]:
    """List the images of a folder or an HDF5 file.

    Returns:
        Name of an image -> its path, or its address in the HDF5 file.

    Raises:
        InputError: No such folder or file, not an HDF5 file, or h5py is not installed.
    """
    path = Path(path)
    if path.is_dir():
        return {entry.name: entry.path for entry in os.scandir(path) if entry.is_file()}
    if path.suffix not in SUFFIXES or not path.is_file():
        raise InputError(
            f"'{path}' is neither a folder of images nor an HDF5 file ({', '.join(SUFFIXES)})."
        )
    with _open(str(path)) as file:
        return {name: f"{PREFIX}://{path}/{name}" for name in file}


class Hdf5Backend(BaseStorageBackend):
    """Reads the bytes at ``hdf5://FILE.h5/NAME``; each process opens each file once."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], Any] = {}

    def get(self, filepath: str) -> bytes:
        """Bytes of an image.

        Raises:
            InputError: The file cannot be opened or has no such name.
        """
        path, _, name = str(filepath).removeprefix(f"{PREFIX}://").rpartition("/")
        # A handle must not be shared with the processes that are forked off.
        place = os.getpid(), path
        if place not in self._files:
            self._files[place] = _open(path)
        if name not in self._files[place]:
            raise InputError(f"HDF5 file '{path}' has no image '{name}'.")
        return np.asarray(self._files[place][name][()]).tobytes()

    def get_text(self, filepath: str) -> str:
        """Text of an entry."""
        return self.get(filepath).decode()


register_backend("hdf5_images", Hdf5Backend, prefixes=PREFIX)


def _open(path: str) -> Any:
    try:
        import h5py
    except ModuleNotFoundError:
        raise InputError(
            f"Reading '{path}' needs the package h5py (pip install h5py); a folder of images "
            "does not."
        ) from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened as an HDF5 file: {error}.") from None
