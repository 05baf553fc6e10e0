"""Images in a folder or as encoded bytes in one HDF5 file.

An image in an HDF5 file has the address ``hdf5://FILE.h5/KEY``, which every loader of mmcv reads;
the key may have groups. Such a file may come from a stranger: only what lies in it is read, and its
size is known before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import BaseStorageBackend, register_backend

from vovtrack.errors import InputError, one_of
from vovtrack.files.hdf5 import DAMAGES, SUFFIXES, Hdf5File, lies_elsewhere

PREFIX = "hdf5"
KEYS = ("lvis", "tao", "lasot", "bdd", "key")
"""Ways in which published HDF5 files key their images."""
MAX_BYTES = 256 * 2**20
"""Of one encoded image."""
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
    one_of("archive_keys", keys, KEYS)
    if path.is_dir():
        there = {entry.name: entry.path for entry in os.scandir(path) if entry.is_file()}
        places = {name: there.get(os.path.basename(name)) for name in names}
        return {name: place for name, place in places.items() if place is not None}
    if not is_archive(path) or not path.is_file():
        raise InputError(
            f"'{path}' is neither a folder of images nor an HDF5 file ({', '.join(SUFFIXES)})."
        )
    archive = _Archive(str(path))
    with archive:
        wanted = {name: archive_key(name, keys) for name in names}
        return {name: f"{PREFIX}://{path}/{key}" for name, key in wanted.items() if key in archive}


class Hdf5Backend(BaseStorageBackend):
    """Reads the bytes at ``hdf5://FILE.h5/KEY``; each process opens each file once."""

    def __init__(self) -> None:
        self._archives: dict[tuple[int, str], _Archive] = {}

    def get(self, filepath: str) -> bytes:
        """Bytes of an image.

        Raises:
            InputError: The file cannot be opened, or has no image of that name that may be read.
        """
        address = _ADDRESS.fullmatch(str(filepath))
        if address is None:
            raise InputError(f"'{filepath}' is not an address {PREFIX}://FILE.h5/KEY.")
        path, key = address.groups()
        # A handle must not be shared with the processes that are forked off.
        place = os.getpid(), path
        if place not in self._archives:
            self._archives[place] = _Archive(path)
        return self._archives[place].read(key)

    def get_text(self, filepath: str) -> str:
        """Text of an entry."""
        return self.get(filepath).decode()


register_backend("hdf5_images", Hdf5Backend, prefixes=PREFIX)


class _Archive(Hdf5File):
    """An HDF5 file of encoded images; nothing is followed into other files."""

    def __contains__(self, key: str) -> bool:
        """Whether the file has something of its own under a key.

        Raises:
            InputError: A link is on the way.
        """
        return self.find(key) is not None

    def read(self, key: str) -> bytes:
        """Bytes of an image, once its type and size are known to be those of one.

        Raises:
            InputError: There is none, or it is not to be read.
        """
        data = self.find(key)
        if data is None:
            raise InputError(f"HDF5 file '{self.path}' has no image '{key}'.")
        try:
            if problem := _problem(data):
                raise self.refusal(key, problem)
            value = np.asarray(data[()])
        except InputError:
            raise
        except DAMAGES as error:
            raise self.unreadable(key, error) from None
        # Some files hold a list with the bytes as its one element.
        return value.reshape(-1)[0].tobytes() if value.dtype == object else value.tobytes()


def _problem(data: Any) -> str | None:
    """Why what stands under a key is not read as an image; None if it is."""
    import h5py

    if not isinstance(data, h5py.Dataset):
        return "is not an image but a group or a type"
    if problem := lies_elsewhere(data):
        return problem
    if data.id.get_create_plist().get_nfilters():
        return "is packed by a filter of HDF5: unpack the file with 'h5repack -f NONE IN OUT'"
    if data.dtype.hasobject:
        whole = data.size == 1 and h5py.check_vlen_dtype(data.dtype) in (np.uint8, np.int8)
        return None if whole else "is a list or text, expected one list with the bytes of an image"
    plain = data.dtype.names is None and data.dtype.subdtype is None
    if not (plain and (data.dtype.kind in "SV" or data.dtype in (np.uint8, np.int8))):
        return f"holds {data.dtype}, expected the bytes of an encoded image (uint8)"
    size = (data.size or 0) * data.dtype.itemsize
    if not size:
        return "is empty"
    if size > MAX_BYTES:
        return f"claims {size:,} bytes, an image may have {MAX_BYTES:,}"
    if data.id.get_storage_size() < size:
        return f"claims {size:,} bytes, of which the file holds fewer: it is damaged"
    return None
