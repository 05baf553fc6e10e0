"""Safe reading and atomic writing of checkpoints.

Unpickling runs code. mmengine tries a safe load first and then, with a warning, an unsafe one;
its list of allowed names holds ``getattr``, which is enough to reach any function. Here a file
that needs more than tensors, plain containers and mmengine's own bookkeeping is refused.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from mmengine.logging import HistoryBuffer

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.pickles import ITEM_BYTES, MAX_STORAGES
from vovtrack.files.screening import (
    ZIP,
    ForeignObject,
    Rules,
    UnsafeRequest,
    check_contents,
    screen,
)

TRUST = "VOVTRACK_TRUST_PICKLE"
_HISTORY_METHODS = ("min", "max", "current", "mean")
_NUMPY_KINDS = "biufcSU"
"""Numbers and texts; no objects, no records."""


def load_checkpoint_file(
    file: Any,
    map_location: Any = None,
    weights_only: Any = None,
    allow_trust: bool = True,
    mapped: bool = False,
    objects: bool = False,
) -> Any:
    """Load a checkpoint without running code from it.

    Args:
        file: Path or open file; a path that ends in ``.safetensors`` is read as such.
        map_location: As of ``torch.load``.
        weights_only: mmengine's choice, which does not count here.
        allow_trust: Heed ``VOVTRACK_TRUST_PICKLE``.
        mapped: Leave the numbers of tensors in a file of this path, until they are looked at.
        objects: Read files that hold objects of other programs, each as :class:`ObjectState`.

    Raises:
        InputError: Missing or damaged file, or one that would execute code. The environment
            variable ``VOVTRACK_TRUST_PICKLE=1`` lets such a file have its way.
    """
    with _reported(file):
        if str(file).endswith(".safetensors"):
            _check_names(file)
            return safetensors.torch.load_file(file)
        with _opened(file) as opened:
            trusted = allow_trust and os.environ.get(TRUST) == "1"
            size, classes = screen(opened, Rules(_NAMED, _CALLED, objects, trusted))
            # Only torch's present format, an archive, lies in the file as it would in memory.
            mapped = mapped and opened.peek(len(ZIP)).startswith(ZIP)
            stand_ins = [(ObjectState, name) for name in classes]
            with torch.serialization.safe_globals([*_ALLOWED, *stand_ins]):
                content = torch.load(
                    file if mapped else opened,
                    map_location,
                    weights_only=not trusted,
                    mmap=mapped,
                )
            check_contents(content, size)
            return content


def check_checkpoint_file(path: str | Path) -> None:
    """Refuse a checkpoint as :func:`load_checkpoint_file` does, for a library that loads it.

    Raises:
        InputError: As there.
    """
    with _reported(path), _opened(path) as opened:
        if str(path).endswith(".safetensors"):
            _check_names(path)
        else:
            trusted = os.environ.get(TRUST) == "1"
            screen(opened, Rules(_NAMED, _CALLED, trusted=trusted))


def _check_names(path: Any) -> None:
    with safetensors.safe_open(str(path), framework="pt") as weights:
        if len(weights.keys()) > MAX_STORAGES:
            raise ValueError(f"more than {MAX_STORAGES} tensors")


@contextmanager
def _reported(file: Any) -> Iterator[None]:
    """Turn whatever goes wrong with a file into a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"Checkpoint '{file}' does not exist.") from None
    except OSError as error:
        raise InputError(
            f"Checkpoint '{file}' cannot be read: {error.strerror or error}."
        ) from None
    except Exception as error:  # a damaged file makes the reader stumble in any way
        raise InputError(_refusal(file, error)) from None


def _opened(file: Any) -> Any:
    return open(file, "rb") if isinstance(file, str | Path) else nullcontext(file)


def _refusal(file: Any, error: Exception) -> str:
    found = re.search(r"GLOBAL (\w[\w.]*\w)|but got <class '([\w.]+)'>", str(error))
    if isinstance(error, ForeignObject):
        return (
            f"Checkpoint '{file}' holds an object of '{error.name}', which plain weights never "
            "need; it was not made. 'vovtrack convert' takes the weights out of such a file. If "
            f"you trust the file's author, {TRUST}=1 loads all of it."
        )
    unsafe = error.name if isinstance(error, UnsafeRequest) else None
    if isinstance(error, pickle.UnpicklingError) and found:
        unsafe = found.group(1) or found.group(2)
    if unsafe:
        return (
            f"Checkpoint '{file}' would execute '{unsafe}' while it is loaded, which plain "
            "weights never need; it was not run. If you trust the file's author, set "
            f"{TRUST}=1, or save its state dict alone with that setting."
        )
    lines = str(error).rpartition("WeightsUnpickler error: ")[2].splitlines()
    reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return f"Checkpoint '{file}' is damaged or no checkpoint ({reason}): fetch it again."


def _history_method(owner: Any, name: str) -> Any:
    """What remains of ``getattr`` for unpickling: the statistics of a ``HistoryBuffer``."""
    if owner is HistoryBuffer and name in _HISTORY_METHODS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {name}")


class _DType:
    """A numpy dtype by its name; numpy's own would take a state that breaks its memory safety."""

    def __init__(self, name: str, *_: Any):
        self.name = name
        self.byte_order: Literal["<", ">", "=", "|"] = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = state[1]

    def resolve(self) -> np.dtype[Any]:
        if not isinstance(self.name, str):
            raise pickle.UnpicklingError("a numpy type without a name")
        dtype = np.dtype(self.name).newbyteorder(self.byte_order)
        if dtype.kind not in _NUMPY_KINDS:
            raise pickle.UnpicklingError(f"GLOBAL numpy.{dtype.type.__name__}")
        return dtype


class _Array(np.ndarray[Any, np.dtype[Any]]):
    """A numpy array that is filled through :class:`_DType`, and pickled as a plain array."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, dtype, is_fortran, data = state
        super().__setstate__((version, shape, dtype.resolve(), is_fortran, data))

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.view(np.ndarray).__reduce__()


def _empty_array(*_: Any) -> _Array:
    return _Array(0)


def _scalar(dtype: _DType, data: bytes) -> np.generic:
    scalar: np.generic = np.frombuffer(data, dtype.resolve(), count=1)[0]
    return scalar


class ObjectState(dict[str, Any]):
    """What an object of another program held, as a plain container of its attributes.

    Neither its class nor the module of that is looked for.
    """

    def __setstate__(self, state: Any) -> None:
        """Keep attributes by their names, and what is something else as ``state``."""
        self.update(state if isinstance(state, dict) else {"state": state})


_ALLOWED = [
    HistoryBuffer,
    (ObjectState, "argparse.Namespace"),
    (_history_method, "builtins.getattr"),
    (_DType, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    # numpy 2 renamed its core: files of either age are read by either numpy.
    *[(_empty_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")],
    *[(_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")],
]
"""What a checkpoint may name besides what torch allows: (object, name in the file)."""
_HISTORY = f"{HistoryBuffer.__module__}.{HistoryBuffer.__name__}"
_CALLED = {
    *("_codecs.encode", "collections.OrderedDict", "torch.Size", "torch.device"),
    # The milestones of step schedules.
    "collections.Counter",
    *(f"torch._utils._rebuild_{what}" for what in ("parameter", "tensor_v2", "tensor_v3")),
    "torch._utils._rebuild_tensor",
    *(item[1] for item in _ALLOWED if isinstance(item, tuple)),
    f"{_HISTORY}.__new__",
    "argparse.Namespace.__new__",
}
"""What a checkpoint may call. Torch allows more, such as a byte array of any size."""
_NAMED = {
    *_CALLED,
    _HISTORY,
    *(f"torch.{kind}Storage" for kind in ITEM_BYTES),
    *(f"torch.storage.{kind}Storage" for kind in ("Untyped", "Typed")),
    *(f"torch.{name}" for name, value in vars(torch).items() if isinstance(value, torch.dtype)),
}
"""What a checkpoint may mention."""


def save_checkpoint(
    checkpoint: dict[str, Any],
    filename: str | Path,
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint as mmengine does, but straight into the file, and complete or not at all.

    mmengine's own builds the whole file in memory first.

    Args:
        checkpoint: What to save.
        filename: Local file.
        file_client_args: Not for local files.
        backend_args: Not for local files.

    Raises:
        InputError: The checkpoint is to go to another place than a local disk.
    """
    if file_client_args or (backend_args or {}).get("backend", "local") != "local":
        raise InputError(f"Checkpoints are written to local files, not to '{filename}'.")
    with atomic_write(filename, "wb") as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # what the file said, hidden by torch
                raise error.__context__ from None
            raise
