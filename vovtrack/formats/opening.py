"""Opening files that may be packed, and folders that may be archives."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from vovtrack.errors import InputError

MAX_UNPACKED = 16 << 30  # bytes that one packed file may hold
MAX_RATIO = 1000  # unpacked size by packed size; JSON of tracks packs by 5 to 30


@contextmanager
def open_binary(path: str | Path) -> Iterator[BinaryIO]:
    """Open a plain file, a ``.gz`` file, or a ``.zip`` with exactly one file inside.

    Args:
        path: The file.

    Yields:
        Its unpacked bytes as a stream.

    Raises:
        InputError: The file is missing, a folder, damaged, or unpacks to more than
            ``MAX_UNPACKED`` bytes or ``MAX_RATIO`` times its size.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: this is a folder; a file was expected.")
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                yield _Limited(file, path, path.stat().st_size)
        elif path.suffix == ".zip":
            tree = FileTree(path)
            names = tree.names("")
            if len(names) != 1:
                raise InputError(f"{path}: expected one file in the archive, found {len(names)}.")
            with tree.open(names[0]) as file:
                yield file
        else:
            with open(path, "rb") as file:
                yield file
    except OSError as error:  # gzip.BadGzipFile is one too
        raise InputError(f"{path}: cannot read the file: {error.strerror or error}.") from None
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: the packed file is cut short or damaged ({error}).") from None


def read_json(path: str | Path, allow_nan: bool = False) -> Any:
    """Read a JSON file, plain or packed as for :func:`open_binary`.

    Args:
        path: The file.
        allow_nan: Also read ``NaN`` and ``Infinity``, which Python writes although JSON has no
            such numbers: for callers that check every number and can name the record.

    Raises:
        InputError: It cannot be read or is not strict JSON in UTF-8.
    """
    with open_binary(path) as file:
        data = file.read()
    if not data.strip():
        raise InputError(f"{path}: the file is empty; JSON was expected.")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if allow_nan and (b"NaN" in data or b"Infinity" in data):
            with suppress(ValueError, RecursionError):
                return json.loads(data)
        raise InputError(f"{path}: not valid JSON, perhaps cut short ({error}).") from None


class FileTree:
    """The files of a folder or of a ``.zip`` archive, by relative name.

    Args:
        path: Folder or archive.

    Raises:
        InputError: It is neither, or the archive holds a name that leads outside of it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._members: dict[str, zipfile.ZipInfo] | None = None
        if self.path.is_dir():
            return
        if not self.path.exists():
            raise InputError(f"{self.path}: there is no such folder or archive.")
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise InputError(
                f"{self.path}: expected a folder or a .zip archive ({error})."
            ) from None
        for info in members:
            parts = PurePosixPath(info.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts:
                raise InputError(f"{self.path}: '{info.filename}' leads outside of the archive.")
        self._members = {info.filename: info for info in members}

    def names(self, suffix: str = "") -> list[str]:
        """Relative names, with forward slashes, of all files that end in ``suffix``; sorted."""
        if self._members is not None:
            found = list(self._members)
        else:
            files = (file for file in self.path.rglob("*") if file.is_file())
            found = [file.relative_to(self.path).as_posix() for file in files]
        return sorted(
            name
            for name in found
            if name.endswith(suffix) and not PurePosixPath(name).name.startswith(".")
        )

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open one file of :meth:`names`.

        Raises:
            InputError: It is missing or damaged, or unpacks to more than the limits.
        """
        place = f"{self.path}/{name}"
        try:
            if self._members is None:
                with open(self.path / name, "rb") as file:
                    yield file
                return
            if name not in self._members:
                raise InputError(f"{place}: there is no such file in the archive.")
            info = self._members[name]
            if info.flag_bits & 1:
                raise InputError(f"{place}: the archive is locked with a password.")
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as file:
                yield _Limited(file, place, info.compress_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError(f"{place}: the archive is damaged ({error}).") from None
        except OSError as error:
            raise InputError(f"{place}: cannot read the file: {error.strerror or error}.") from None

    def read_text(self, name: str) -> str:
        """Read one file as UTF-8 text.

        Raises:
            InputError: See :meth:`open`; also a file that is not text.
        """
        with self.open(name) as file:
            data = file.read()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}/{name}: not a UTF-8 text file ({error}).") from None


class _Limited(io.RawIOBase):
    """Reads unpacked bytes, and stops where a small file unpacks to a huge one."""

    def __init__(self, file: BinaryIO, place: str | Path, packed: int) -> None:
        self._file, self._place = file, place
        self._left = min(MAX_UNPACKED, MAX_RATIO * max(packed, 1 << 10))

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        data = self._file.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise InputError(f"{self._place}: unpacks to far more than its size; refused.")
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
