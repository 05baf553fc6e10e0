"""Pickles that hold numpy arrays in plain containers, read without letting them run anything.

Of all that a pickle can name, only numpy arrays are understood, and those are rebuilt from their
bytes. What is written is for programs that ask for pickles.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.pickles import read_requests

SLACK = 1 << 20
"""Bytes by which the arrays may be larger than their file, which can name one several times."""
DAMAGES = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, ValueError, TypeError,
    OverflowError, RecursionError, UnicodeDecodeError, MemoryError, struct.error,
)  # fmt: skip
"""What unpickling a damaged file may raise."""
_PROTOCOL = 3


class _RawArray:
    """The state of a pickled numpy array, taken as data."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, "F" if fortran else "C")

    def fill(
        self, data: bytes, dtype: _RawDType, shape: tuple[int, ...], order: Literal["C", "F"]
    ) -> None:
        """Rebuild the array from its bytes."""
        kind = np.dtype(dtype.name).newbyteorder(dtype.order)
        if kind.kind not in "biufSU" or not isinstance(data, (bytes, bytearray)):
            raise pickle.UnpicklingError(f"an array of {kind}")
        # Not copied: a file may name the same bytes again and again.
        self.array = np.frombuffer(data, kind).reshape(shape, order=order)


class _RawDType:
    """The name of a pickled numpy dtype."""

    def __init__(self, name: str = "", *_: Any) -> None:
        self.name = str(name)
        self.order: Literal["<", ">", "="] = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in "<>=" else "="


def _new_array(*_: Any) -> _RawArray:
    return _RawArray()


def _from_buffer(
    data: bytes, dtype: _RawDType, shape: tuple[int, ...], order: Literal["C", "F"]
) -> _RawArray:
    """How new pickles store arrays."""
    raw = _RawArray()
    raw.fill(data, dtype, shape, order)
    return raw


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles store bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"_codecs.encode to {encoding}")
    return text.encode(encoding)


# The Python unpickler keeps its memo in a dict: a file cannot make it allocate by number alone.
class _ArraysOnly(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _RawDType
        if (module, name) == ("numpy", "ndarray"):
            return _RawArray
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _new_array
        if name == "_frombuffer" and module in ("numpy.core.numeric", "numpy._core.numeric"):
            return _from_buffer
        raise pickle.UnpicklingError(f"it would execute '{module}.{name}'")


def read_array_pickle(file: BinaryIO, path: str | Path, without: str | None = None) -> Any:
    """Read a pickle of numbers, texts and numpy arrays in dicts and lists.

    Args:
        file: The open file.
        path: Its name, for messages.
        without: Key of dicts whose value is left out, because it is large and not wanted.

    Raises:
        InputError: It is damaged, or names anything but arrays.
    """
    try:
        start = file.tell()
        if (problem := read_requests(file).problem) is not None:
            raise problem
        file.seek(start)
        loaded = _ArraysOnly(file, encoding="latin1").load()
        return _Plain(without, file.tell() - start + SLACK).of(loaded)
    except DAMAGES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: refused or damaged; only arrays are read from a pickle ({error})."
        ) from None


class _Plain:
    """Replaces raw arrays by arrays; every container may occur in one place only.

    Args:
        without: See :func:`read_array_pickle`.
        room: Bytes that the arrays may have together.
    """

    def __init__(self, without: str | None, room: int) -> None:
        self._without, self._room = without, room
        self._seen: set[int] = set()

    def of(self, value: Any) -> Any:
        if isinstance(value, _RawArray):
            self._room -= value.array.nbytes
            if self._room < 0:
                raise pickle.UnpicklingError("its arrays are larger than the file")
            return value.array
        if not isinstance(value, dict | list | tuple) or not value:
            return value
        if id(value) in self._seen:
            raise pickle.UnpicklingError("a list or dict occurs in several places")
        self._seen.add(id(value))
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items() if key != self._without}
        return [self.of(item) for item in value]


def pickled_part(value: Any) -> bytes:
    """Pickle one value so that it can stand in a larger pickle, see :func:`write_pickled_dict`.

    Arrays are named as by numpy 1, which both numpy 1 and numpy 2 can read.
    """
    # Protocol 3 numbers what it remembers by itself; later values may use the numbers again.
    whole = pickle.dumps(value, protocol=_PROTOCOL)
    return whole[2:-1].replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_pickled(file: IO[bytes], part: bytes) -> None:
    """Write one value of :func:`pickled_part` as a pickle of its own."""
    file.write(pickle.PROTO + bytes([_PROTOCOL]) + part + pickle.STOP)


def write_pickled_dict(file: IO[bytes], items: Iterable[bytes]) -> None:
    """Write the pickle of a dict that is larger than the memory.

    Args:
        file: Open for writing.
        items: Each the parts of a key and of its value, joined.
    """
    file.write(pickle.PROTO + bytes([_PROTOCOL]) + pickle.EMPTY_DICT + pickle.MARK)
    for item in items:
        file.write(item)
    file.write(pickle.SETITEMS + pickle.STOP)
