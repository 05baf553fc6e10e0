"""Pickles that hold numpy arrays in plain containers, read without letting them run anything.

Of all that a pickle can name, only numpy arrays are understood, and those are rebuilt from their
bytes. What is written is for programs that ask for pickles.
"""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.pickles import read_requests
from vovtrack.files.stored_values import StoredArray, StoredBytes

SMALL = 1 << 8
"""Bytes of a value that is read at once; larger ones can stay in the file."""
SLACK = 1 << 20
"""Bytes by which the arrays may be larger than their file, which can name one several times."""
DAMAGES = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, ValueError, TypeError,
    OverflowError, RecursionError, UnicodeDecodeError, MemoryError, struct.error,
)  # fmt: skip
"""What unpickling a damaged file may raise."""
_PROTOCOL = 3


class _RawArray:
    """The state of a pickled numpy array, taken as data.

    Attributes:
        array: The array.
        inside: Of an array of objects without axes, as ``numpy.save`` makes of a dict, its object.
    """

    array: NDArray[Any] | StoredArray | None = None
    inside: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if shape == () and dtype.name.startswith("O"):
            (self.inside,) = data
        else:
            self.fill(data, dtype, shape, "F" if fortran else "C")

    def fill(
        self,
        data: bytes | StoredBytes,
        dtype: _RawDType,
        shape: tuple[int, ...],
        order: Literal["C", "F"],
    ) -> None:
        """Rebuild the array from its bytes."""
        kind = np.dtype(dtype.name).newbyteorder(dtype.order)
        if kind.kind not in "biufSU" or not isinstance(data, (bytes, bytearray, StoredBytes)):
            raise pickle.UnpicklingError(f"an array of {kind}")
        if isinstance(data, StoredBytes):
            if not all(type(size) is int and size >= 0 for size in shape):
                raise pickle.UnpicklingError(f"an array of shape {shape}")
            self.array = StoredArray(data, kind, tuple(shape), order)
            if not data.length // 2 <= self.array.nbytes <= data.length:
                raise pickle.UnpicklingError(f"{data.length} bytes for an array {shape}")
            return
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


def _encode(text: str | StoredBytes, encoding: str) -> bytes | StoredBytes:
    """How old pickles store bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"_codecs.encode to {encoding}")
    return text if isinstance(text, StoredBytes) else text.encode(encoding)


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


class _LargeStay(_ArraysOnly):
    """Leaves large values in the file.

    Args:
        file: The open file.
        path: Where it is found again.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_ArraysOnly.dispatch)
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, path: Path, **options: Any) -> None:
        super().__init__(file, **options)
        self._stream, self._path = file, path

    def load_frame(self) -> None:
        """Frames hold whole opcodes, which are as good without them."""
        self.read(8)

    dispatch[pickle.FRAME[0]] = load_frame

    def _load_sized(self, width: int, as_text: bool) -> None:
        length = int.from_bytes(self.read(width), "little")
        if length > SMALL:
            self.append(StoredBytes(self._path, self._stream.tell(), length, as_text))
            self._stream.seek(length, 1)
            return
        data = self.read(length)
        self.append(str(data, "utf-8", "surrogatepass") if as_text else data)

    for _opcode, _width, _as_text in (
        (pickle.BINBYTES, 4, False),
        (pickle.BINBYTES8, 8, False),
        (pickle.BYTEARRAY8, 8, False),
        (pickle.BINUNICODE, 4, True),
        (pickle.BINUNICODE8, 8, True),
    ):
        dispatch[_opcode[0]] = partial(_load_sized, width=_width, as_text=_as_text)


def read_array_pickle(file: BinaryIO, path: str | Path, stored: bool = False) -> Any:
    """Read a pickle of numbers, texts and numpy arrays in dicts and lists.

    Args:
        file: The open file.
        path: Its name, for messages.
        stored: Leave arrays and bytes of more than ``SMALL`` bytes in the file, as
            :class:`StoredArray` and :class:`StoredBytes`. Memory is then needed for one of them.

    Raises:
        InputError: It is damaged, or names anything but arrays.
    """
    try:
        start = file.tell()
        if (problem := read_requests(file).problem) is not None:
            raise problem
        file.seek(start)
        unpickler = (
            _LargeStay(file, Path(path), encoding="latin1")
            if stored
            else _ArraysOnly(file, encoding="latin1")
        )
        loaded = unpickler.load()
        return _Plain(file.tell() - start + SLACK).of(loaded)
    except DAMAGES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: refused or damaged; only arrays are read from a pickle ({error})."
        ) from None


class _Plain:
    """Replaces raw arrays by arrays; every container may occur in one place only.

    Args:
        room: Bytes that the arrays may have together.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._seen: set[int] = set()

    def of(self, value: Any) -> Any:
        if isinstance(value, _RawArray):
            if value.array is None:
                return self.of(value.inside)
            self._room -= value.array.nbytes
            if self._room < 0:
                raise pickle.UnpicklingError("its arrays are larger than the file")
            return value.array
        if isinstance(value, StoredBytes):
            self._room -= value.length
        if not isinstance(value, dict | list | tuple) or not value:
            return value
        if id(value) in self._seen:
            raise pickle.UnpicklingError("a list or dict occurs in several places")
        self._seen.add(id(value))
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
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
    with pickled_dict(file):
        for item in items:
            file.write(item)


@contextmanager
def pickled_dict(file: IO[bytes], nested: bool = False) -> Iterator[None]:
    """Begin a dict, and end it after the block, which writes the parts of its keys and values.

    Args:
        file: Open for writing.
        nested: Whether it stands in a larger pickle.
    """
    file.write(b"" if nested else pickle.PROTO + bytes([_PROTOCOL]))
    file.write(pickle.EMPTY_DICT + pickle.MARK)
    yield
    file.write(pickle.SETITEMS + (b"" if nested else pickle.STOP))


def write_pickled_bytes_array(
    file: IO[bytes], shape: tuple[int, ...], blocks: Iterable[bytes]
) -> None:
    """Write a uint8 array that is larger than the memory, to stand in a larger pickle.

    Args:
        file: Open for writing.
        shape: Of the array.
        blocks: Its bytes, the last axis fastest.
    """
    size = math.prod(shape)
    opcode, width = (pickle.BINBYTES, 4) if size < 1 << 32 else (pickle.BINBYTES8, 8)
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    file.write(made + pickled_part((0,)) + pickled_part(b"b") + pickle.TUPLE3 + pickle.REDUCE)
    state = (pickled_part(value) for value in (1, shape, np.dtype(np.uint8), False))
    file.write(pickle.MARK + b"".join(state) + opcode + size.to_bytes(width, "little"))
    for block in blocks:
        file.write(block)
    file.write(pickle.TUPLE + pickle.BUILD)
