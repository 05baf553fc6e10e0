"""Opening files that may be packed, and folders that may be archives."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.targets import mark_input

MAX_UNPACKED = 16 << 30  # bytes that one packed file may hold
MAX_RATIO = 200  # unpacked size by packed size; JSON of tracks packs by 5 to 30
_SMALL = 1 << 16  # bytes; a packed file below this size may unpack to MAX_RATIO times this size
_BLOCK = 1 << 20
_NO_MEMBERS = b"PK\5\6" + bytes(18)  # a whole archive
_DAMAGES = (
    OSError,  # a place before the beginning; gzip.BadGzipFile
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,  # a way of packing that Python does not know
    RuntimeError,  # a password
    struct.error,
    IndexError,  # an entry without a name
    ValueError,
)


@contextmanager
def open_binary(path: str | Path) -> Iterator[BinaryIO]:
    """Open a plain file, a ``.gz`` file, or a ``.zip`` with exactly one file inside.

    Hidden files in an archive, which some systems add, do not count.

    Args:
        path: The file.

    Yields:
        Its unpacked bytes as a buffered stream. Reading it raises what opening it may raise.

    Raises:
        InputError: The file is missing, a folder, damaged, or unpacks to more than
            ``MAX_UNPACKED`` bytes or ``MAX_RATIO`` times its size.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: cannot read the file: this is a folder; a file was expected.")
    if path.suffix.lower() == ".zip":
        tree = FileTree(path)
        names = tree.names()
        if len(names) != 1:
            raise InputError(f"{path}: expected one file in the archive, found {len(names)}.")
        with tree.open(names[0]) as file:
            yield file
        return
    with _plain(path) as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        with gzip.open(file) as unpacked:
            yield io.BufferedReader(_Unpacking(unpacked, path, path.stat().st_size))


def read_json(path: str | Path, allow_nan: bool = False) -> Any:
    """Read a JSON file, plain or packed as for :func:`open_binary`.

    Args:
        path: The file.
        allow_nan: Take ``NaN`` and ``Infinity``, which many writers produce though JSON does not
            know them; for callers that can name the record they stand in.

    Raises:
        InputError: It cannot be read or is not JSON in UTF-8.
    """
    with open_binary(path) as file:
        return decode_json(file.read(), path, allow_nan)


def decode_json(data: bytes, place: str | Path, allow_nan: bool = False) -> Any:
    """Decode JSON.

    Args:
        data: The text, in UTF-8.
        place: Where it stands, for messages.
        allow_nan: See :func:`read_json`.

    Raises:
        InputError: It is not JSON.
    """
    if not data.strip():
        raise InputError(f"{place}: not valid JSON: the file is empty.")
    try:
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError:
            if not (allow_nan and (b"NaN" in data or b"Infinity" in data)):
                raise
            return json.loads(data.decode("utf-8"))
    except RecursionError:
        raise InputError(f"{place}: not valid JSON for any reader: nested too deeply.") from None
    except ValueError as error:  # those of msgspec and of UTF-8
        raise InputError(
            f"{place}: not valid JSON, perhaps cut short ({error}{_excerpt(data, error)})."
        ) from None


def read_npz(file: BinaryIO, place: str | Path) -> dict[str, NDArray[Any]]:
    """Read arrays of numbers that numpy saved together, within the limits of :func:`open_binary`.

    Args:
        file: The open ``.npz`` file.
        place: Its name, for messages.

    Raises:
        InputError: It is damaged, unpacks to too much, or is another kind of file.
        ValueError: One of its arrays is damaged or holds objects.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, file.seek(0, io.SEEK_END), place)
            for info in archive.infolist():
                with archive.open(info) as member:
                    stream = io.BufferedReader(_Unpacking(member, place, info.compress_size))
                    array = np.lib.format.read_array(stream, allow_pickle=False)
                arrays[info.filename.removesuffix(".npy")] = array
    except _DAMAGES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: damaged, or not an .npz file ({error}).") from None
    return arrays


class FileTree:
    """The files of a folder or of a ``.zip`` archive, by relative name.

    Args:
        path: Folder or archive.

    Raises:
        InputError: It is neither, or the archive is damaged, holds two files of one name or a
            name that leads outside of it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._members: dict[str, zipfile.ZipInfo] | None = None
        if not self.path.is_dir():
            self._members = {}
            for info in self._list():
                self._check_name(info.filename)
                if info.filename in self._members:
                    raise InputError(f"{self.path}: two files of the name '{info.filename}'.")
                self._members[info.filename] = info

    def __contains__(self, name: str) -> bool:
        """Whether there is a file of this relative name."""
        if self._members is not None:
            return name in self._members
        return (self.path / name).is_file()

    def names(self, suffix: str = "") -> list[str]:
        """Relative names, with forward slashes, of all files that end in ``suffix``; sorted.

        Hidden files, which start with a dot, are left out.
        """
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
        """Open one file of :meth:`names` as a buffered stream.

        Raises:
            InputError: It is missing, damaged, locked with a password or outside of the folder, or
                unpacks to more than the limits of :func:`open_binary`; also while reading.
        """
        place = f"{self.path}/{name}"
        self._check_name(name)
        if self._members is None:
            with _plain(self.path / name) as file:
                yield file
            return
        if name not in self._members:
            raise InputError(f"{place}: there is no such file in the archive.")
        info = self._members[name]
        with _plain(self.path) as packed, ExitStack() as stack:
            try:
                # Its list of members is long and known: only the file is given to the reader.
                archive = zipfile.ZipFile(io.BytesIO(_NO_MEMBERS))
                archive.fp = packed
                member = stack.enter_context(archive.open(info))
            except _DAMAGES as error:
                raise InputError(f"{place}: the packed file is damaged ({error}).") from None
            yield io.BufferedReader(_Unpacking(member, place, info.compress_size))

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

    def _list(self) -> list[zipfile.ZipInfo]:
        with _plain(self.path) as file:
            try:
                archive = zipfile.ZipFile(file)
                _check_sizes(archive, file.seek(0, io.SEEK_END), self.path)
                return [info for info in archive.infolist() if not info.is_dir()]
            except _DAMAGES as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(
                    f"{self.path}: expected a folder or a whole .zip archive ({error})."
                ) from None

    def _check_name(self, name: str) -> None:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise InputError(f"{self.path}: '{name}' leads outside of it.")


@contextmanager
def _plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file as it is."""
    mark_input(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: cannot read the file: {reason}.") from None
        yield file


def _check_sizes(archive: zipfile.ZipFile, size: int, place: str | Path) -> None:
    """Refuse an archive whose members are together too large; no member gives more than it says."""
    if sum(info.file_size for info in archive.infolist()) > _most(size):
        raise _too_large(place)


def _most(packed: int) -> int:
    """Bytes that so many packed ones may unpack to."""
    return min(MAX_UNPACKED, MAX_RATIO * max(packed, _SMALL))


def _too_large(place: str | Path) -> InputError:
    return InputError(
        f"{place}: unpacks to more than {MAX_RATIO} times its size or {MAX_UNPACKED >> 30} GiB; "
        "refused. Unpack it yourself if you trust it."
    )


class _Source(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes: ...


class _Unpacking(io.RawIOBase):
    """Unpacked bytes of a stream; tells of damage and stops where a small file becomes huge."""

    def __init__(self, file: _Source, place: str | Path, packed: int) -> None:
        self._file, self._place = file, place
        self._left = _most(packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except _DAMAGES as error:
            raise InputError(
                f"{self._place}: the packed file is cut short or damaged ({error})."
            ) from None
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._place)
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        blocks = []
        while block := self.read(_BLOCK):
            blocks.append(block)
        return b"".join(blocks)


def _excerpt(data: bytes, error: Exception) -> str:
    """The text around the byte that a message of the JSON decoder names."""
    found = re.search(r"\(byte (\d+)\)", str(error))
    if not found:
        return ""
    at = int(found[1])
    return f", after {data[max(0, at - 40) : at + 1].decode('utf-8', 'replace')!r}"
