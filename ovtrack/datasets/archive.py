"""Images in a folder or as encoded bytes in one HDF5 file.

An image in an HDF5 file has the address ``hdf5://FILE.h5/KEY``, which every loader of mmcv reads;
the key may have groups.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend

from vovtrack.errors import InputError

PREFIX = "hdf5"
SUFFIXES = (".h5", ".hdf5")
KEYS = ("lvis", "tao", "lasot", "bdd", "key")
"""Ways in which published HDF5 files key their images."""
_ADDRESS = re.compile(rf"{PREFIX}://(.+?(?:{'|'.join(map(re.escape, SUFFIXES))}))/(.+)")


def is_archive(path: str | Path) -> bool:
    """Whether a path names an HDF5 file."""
    return Path(path).suffix in SUFFIXES


def archive_key(name: str, keys: str) -> str:
    """Key under which an HDF5 file holds an image.

    Args:
        name: File name of the image in the annotations, with its folders.
        keys: Who made the file, as the released code calls it. ``lvis``: by base name. ``tao``: the
            last four parts of the name are nested groups (split, source, video, frame). ``lasot``:
            the same, and the image is ``raw`` in it. ``bdd``: by video and frame, stills
            (below a folder ``100k``) by base name. ``key``: by the whole name.
    """
    parts = name.split("/")
    if keys == "key":
        return name
    if keys == "lvis" or (keys == "bdd" and "100k" in parts[:-1]):
        return parts[-1]
    depth = 2 if keys == "bdd" else 4
    return "/".join([*parts[-depth:], *(["raw"] if keys == "lasot" else [])])


def find_images(path: str | Path, names: Iterable[str], keys: str = "lvis") -> dict[str, str]:
    """Look images up in a folder, by base name, or in an HDF5 file.

    Args:
        path: The folder or file.
        names: File names of the images in the annotations.
        keys: How the file keys them, see :func:`archive_key`.

    Returns:
        Name of each image that is there -> its path, or its address in the HDF5 file.

    Raises:
        InputError: No such folder or file, not an HDF5 file, unknown ``keys``, or h5py is not
            installed.
    """
    path = Path(path)
    if keys not in KEYS:
        raise InputError(f"archive_keys is {keys!r}, expected one of {', '.join(KEYS)}.")
    if path.is_dir():
        there = {entry.name: entry.path for entry in os.scandir(path) if entry.is_file()}
        places = {name: there.get(os.path.basename(name)) for name in names}
        return {name: place for name, place in places.items() if place is not None}
    if not is_archive(path) or not path.is_file():
        raise InputError(
            f"'{path}' is neither a folder of images nor an HDF5 file ({', '.join(SUFFIXES)})."
        )
    with _open(str(path)) as file:
        wanted = {name: archive_key(name, keys) for name in names}
        return {name: f"{PREFIX}://{path}/{key}" for name, key in wanted.items() if key in file}


class Hdf5Backend(BaseStorageBackend):
    """Reads the bytes at ``hdf5://FILE.h5/KEY``; each process opens each file once."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], Any] = {}

    def get(self, filepath: str) -> bytes:
        """Bytes of an image.

        Raises:
            InputError: The file cannot be opened or has no such name.
        """
        path, key = _ADDRESS.fullmatch(str(filepath)).groups()
        # A handle must not be shared with the processes that are forked off.
        place = os.getpid(), path
        if place not in self._files:
            self._files[place] = _open(path)
        if key not in self._files[place]:
            raise InputError(f"HDF5 file '{path}' has no image '{key}'.")
        value = np.asarray(self._files[place][key][()])
        # Some files hold a list with the bytes as its one element.
        return value.reshape(-1)[0].tobytes() if value.dtype == object else value.tobytes()

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
