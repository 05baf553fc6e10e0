"""Safe reading and atomic writing of the files that mmengine handles.

Unpickling runs code. mmengine tries a safe load first and then, with a warning, an unsafe one;
its list of allowed names holds ``getattr``, which is enough to reach any function. Here a file
that needs more than tensors, plain containers and mmengine's own bookkeeping is refused.
"""

from __future__ import annotations

import os
import pickle
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from mmengine.fileio.backends import LocalBackend
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from safetensors import SafetensorError

from vovtrack.errors import InputError

TRUST = "VOVTRACK_TRUST_PICKLE"
_HISTORY_METHODS = ("min", "max", "current", "mean")


def install() -> None:
    """Put :func:`load_checkpoint_file` in the place of mmengine's loader, and write atomically."""
    torch.serialization.add_safe_globals(_allowed_globals())
    mmengine_checkpoint._safe_torch_load = load_checkpoint_file
    LocalBackend.put = _put
    LocalBackend.put_text = _put_text


def load_checkpoint_file(file: Any, map_location: Any = None, weights_only: Any = None) -> Any:
    """Load a checkpoint without running code from it.

    Args:
        file: Path or open file; a path that ends in ``.safetensors`` is read as such.
        map_location: As of ``torch.load``.
        weights_only: mmengine's choice, which does not count here.

    Raises:
        InputError: Missing or damaged file, or one that wants to run code. The environment
            variable ``VOVTRACK_TRUST_PICKLE=1`` lets such a file have its way.
    """
    trusted = os.environ.get(TRUST) == "1"
    try:
        if str(file).endswith(".safetensors"):
            return safetensors.torch.load_file(file, device=str(map_location or "cpu"))
        return torch.load(file, map_location=map_location, weights_only=not trusted)
    except FileNotFoundError:
        raise InputError(f"Checkpoint '{file}' does not exist.") from None
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(file, str(error))) from None
    except (RuntimeError, EOFError, SafetensorError, ValueError, KeyError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"Checkpoint '{file}' is damaged or no checkpoint ({reason}): fetch it again."
        ) from None


def _refusal(file: Any, reason: str) -> str:
    found = re.search(r"(?:GLOBAL|global:?)\s+(?:GLOBAL\s+)?([\w.]+)", reason)
    if found is None:
        return f"Checkpoint '{file}' is damaged or no checkpoint: fetch it again."
    return (
        f"Checkpoint '{file}' wants to run '{found.group(1)}' while it is loaded, which plain "
        f"weights never need; it was not run. If you trust the file's author, set {TRUST}=1."
    )


def _history_method(owner: Any, name: str) -> Any:
    """What remains of ``getattr`` for unpickling: the statistics of a ``HistoryBuffer``."""
    if owner is HistoryBuffer and name in _HISTORY_METHODS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {name}")


# The unpickler looks functions up by this name.
_history_method.__module__, _history_method.__name__ = "builtins", "getattr"
_history_method.__qualname__ = "getattr"


def _allowed_globals() -> list[Any]:
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    dtypes = (np.float32, np.float64, np.int32, np.int64, np.uint32, np.bool_)
    return [
        HistoryBuffer,
        _history_method,
        multiarray._reconstruct,
        multiarray.scalar,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(kind)) for kind in dtypes},
    ]


def _put(self: LocalBackend, obj: bytes, filepath: str | Path) -> None:
    """Write bytes to a temporary file beside ``filepath`` and rename it."""
    path = Path(filepath)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _put_text(self: LocalBackend, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
    """Write text as :func:`_put` writes bytes."""
    _put(self, obj.encode(encoding), filepath)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
