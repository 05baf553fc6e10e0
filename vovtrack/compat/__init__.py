"""The only room that patches or guards third parties.

mmcv without its compiled extension cannot be imported by mmdet, because every operator asks for
the extension at import. :func:`install` registers a stand-in whose operators are torchvision's;
where the compiled extension exists, it wins. It also closes mmengine's silent fall-back to full
unpickling and its other doors to code, and makes its file writes atomic.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import sys
import types
import warnings
from collections.abc import Callable

import mmengine.logging
import torchvision
from mmengine.logging.logger import print_log

from vovtrack.compat import closed_doors, mmengine_files, operators

EXTENSION = "mmcv._ext"


class TorchvisionExtension(types.ModuleType):
    """Module that answers for ``mmcv._ext``; operators it lacks raise when they are called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise operators.unsupported(name)

        return missing


def install() -> None:
    """Make mmdet importable and mmengine's files safe. Idempotent."""
    if not _has_extension():
        extension = TorchvisionExtension(EXTENSION, __doc__)
        extension.__spec__ = importlib.machinery.ModuleSpec(EXTENSION, loader=None)
        for name, operator in inspect.getmembers(operators, inspect.isfunction):
            if not name.startswith("_"):
                setattr(extension, name, operator)
        sys.modules[EXTENSION] = extension
        _repair_early_imports()
    mmengine_files.install()
    closed_doors.install()
    mmengine.logging.print_log = _print_log


def _repair_early_imports() -> None:
    """Give modules of mmdet their operators, which they replaced by refusals if imported before."""
    early = [(n, m) for n, m in list(sys.modules.items()) if n.startswith("mmdet.") and m]
    if not early:
        return
    served = importlib.import_module("mmcv.ops")
    for name, module in early:
        for key, value in list(vars(module).items()):
            if getattr(value, "__module__", None) == name and hasattr(served, key):
                setattr(module, key, getattr(served, key))


def operator_backend() -> str:
    """Name of what serves mmcv's operators."""
    if isinstance(sys.modules.get(EXTENSION), TorchvisionExtension):
        return f"torchvision {torchvision.__version__}"
    return "mmcv compiled extension"


def _has_extension() -> bool:
    if EXTENSION in sys.modules:
        return True
    importlib.import_module("mmcv")
    try:
        importlib.import_module(EXTENSION)
    except ModuleNotFoundError:
        return False
    except ImportError as error:
        warnings.warn(
            f"The compiled operators of mmcv do not fit the installed torch ({error}): "
            "torchvision's are used. Compile mmcv again to use its own.",
            stacklevel=3,
        )
        return False
    return True


def _print_log(msg: object, *args, **kwargs) -> None:
    """As mmengine's, but silent on mmdet's remark that an unrelated product is absent."""
    if "OneDL" not in str(msg):
        print_log(msg, *args, **kwargs)
