"""HDF5 files of strangers: only what lies in them is read; changed copies are complete or absent.

A link, or data that are stored elsewhere, could name any file of this machine; a size that is
claimed could be any number.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import Draft, reported

SUFFIXES = (".h5", ".hdf5")
"""Names of HDF5 files end so."""
DAMAGES = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises over a file that is not as it should be."""
CACHE_BYTES = 64 << 20
"""Unpacked chunks that are kept: frames that share a chunk are read one after the other."""
_OBJECTS = ("v108", "latest")
"""Of new objects: from HDF5 1.8 on, an attribute may have more than 64 KiB."""
_PACKING_BYTES = 1 << 16
"""By which a chunk that cannot be packed may grow."""
MAX_CHUNK_BYTES = 256 << 20
"""Of one chunk, which is unpacked as a whole."""


def need_h5py(purpose: str) -> ModuleType:
    """Import the package.

    Args:
        purpose: What needs it, to begin a sentence with.

    Raises:
        InputError: It is not installed.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        raise InputError(
            f"{purpose} needs the package h5py: pip install 'h5py>=3.10', or install vovtrack "
            "with its extra 'hdf5'."
        ) from None
    found: ModuleType = h5py
    return found


class Hdf5File:
    """An HDF5 file of which nothing is followed into other files; a context manager.

    Args:
        path: The file.

    Attributes:
        path: The file, for messages.
        file: The open ``h5py.File``.

    Raises:
        InputError: It is not an HDF5 file, is cut short, or h5py is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        h5py = need_h5py(f"Reading '{path}'")
        try:
            self.file = h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)
        except DAMAGES as error:
            raise InputError(
                f"'{path}' cannot be opened as an HDF5 file: {reason(error)}."
            ) from None
        self._inside: set[str] = set()

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def find(self, key: str) -> Any:
        """The group or dataset of the file itself under a key; None if there is none.

        Raises:
            InputError: A link is on the way, or the file is damaged there.
        """
        try:
            return self.file[key] if self._has(key) else None
        except DAMAGES as error:
            if isinstance(error, InputError):
                raise
            raise self.unreadable(key, error) from None

    def names(self, key: str = "/") -> list[str]:
        """What is under a group, in no order that means anything; empty if it is not a group."""
        group = self.file if key == "/" else self.find(key)
        try:
            return list(group) if hasattr(group, "keys") else []
        except DAMAGES as error:
            raise self.unreadable(key, error) from None

    def refusal(self, key: str, problem: str) -> InputError:
        """An error that names the file and the key."""
        return InputError(f"HDF5 file '{self.path}': '{key}' {problem}.")

    def unreadable(self, key: str, error: Exception) -> InputError:
        """An error of h5py as a sentence."""
        return self.refusal(key, f"cannot be read: {reason(error)}")

    def _has(self, key: str) -> bool:
        """Walk along the groups: the library's own search follows links into other files."""
        from h5py import HardLink

        place = ""
        for part in filter(None, key.split("/")):
            place = f"{place}/{part}"
            if place in self._inside:
                continue
            link = self.file.get(place, getlink=True)
            if link is None:
                return False
            if not isinstance(link, HardLink):
                raise self.refusal(key, "leads through a link, which is not followed")
            self._inside.add(place)
        return bool(place)


def lies_elsewhere(data: Any) -> str | None:
    """Why a dataset is not one of its own file; None if it is."""
    if data.external or data.is_virtual:
        return "lies in other files, which are not read"
    return None


def unwritten(data: Any) -> str | None:
    """Why a dataset of numbers does not hold what it claims, or cannot be read part by part.

    Returns:
        The reason, or None if all of it is there.
    """
    size = (data.size or 0) * data.dtype.itemsize
    if data.chunks is None:
        if data.id.get_storage_size() < size:
            return f"claims {size:,} bytes, of which the file holds fewer: it is damaged"
        return None
    chunk = math.prod(data.chunks) * data.dtype.itemsize
    if chunk > MAX_CHUNK_BYTES:
        return (
            f"is stored in chunks of {chunk:,} bytes, at most {MAX_CHUNK_BYTES:,} are unpacked at "
            "once: store it again in smaller ones with 'h5repack -l CHUNK=...'"
        )
    chunks = math.prod(-(-n // part) for n, part in zip(data.shape, data.chunks, strict=True))
    stored: list[int] = []
    data.id.chunk_iter(lambda info: stored.append(info.size))
    if len(stored) < chunks:
        return f"has {len(stored)} of {chunks} chunks: its writing was not finished"
    if max(stored) > chunk + _PACKING_BYTES:
        return f"has a chunk packed into {max(stored):,} bytes that unpacks to {chunk:,}: a bomb"
    return None


@contextmanager
def changed_copy(source: str | Path, path: str | Path) -> Iterator[Any]:
    """Copy an HDF5 file, and let the block change the copy before it takes its name.

    Args:
        source: The file, which is only read.
        path: Destination. Missing parent folders are created.

    Yields:
        The open ``h5py.File`` of the copy.

    Raises:
        InputError: The source is not a readable HDF5 file, h5py is not installed, or see
            :func:`vovtrack.files.targets.check_target`.
        WriteError: The disk is full; ``path`` is untouched.
    """
    h5py = need_h5py(f"Writing '{path}'")
    draft = Draft(path, "wb")
    try:
        with reported(path):
            with open(source, "rb") as original:
                shutil.copyfileobj(original, draft.file)
            draft.file.flush()
        try:
            # The draft is locked already, under another handle.
            file = h5py.File(draft.temporary, "r+", locking=False, libver=_OBJECTS)
        except DAMAGES as error:
            raise InputError(f"'{source}' cannot be changed: {reason(error)}.") from None
        with _disk_reported(path), file:
            yield file
        draft.publish()
    except BaseException:
        draft.discard()
        raise


@contextmanager
def _disk_reported(path: str | Path) -> Iterator[None]:
    """A full disk reaches us as one of several errors of the library."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise WriteError(f"'{path}' cannot be written: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """What h5py says, without the stop at its end."""
    return str(error.args[0] if error.args else error).strip(".")
