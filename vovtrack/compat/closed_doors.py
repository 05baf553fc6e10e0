"""Doors of mmengine and mmcv through which a text or a file becomes code, closed for everyone."""

from __future__ import annotations

import importlib
from typing import Any, NoReturn

from mmengine.fileio import FileClient
from mmengine.fileio.backends import backends
from mmengine.fileio.handlers import PickleHandler, file_handlers

from vovtrack.errors import InputError

OPERATORS = ("nms", "soft_nms", "nms_match", "nms_rotated", "nms_quadri")
"""Functions of ``mmcv.ops.nms`` that a config may name."""
STORES_WITH_CODE = ("memcached",)
"""Stores that import modules from a folder named in the config."""


class ClosedPickleHandler(PickleHandler):
    """Writes pickles for those who ask for them, and reads none."""

    def load_from_path(self, filepath: Any, **kwargs: Any) -> NoReturn:
        """Refuse a file.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"'{filepath}' is a pickle, which can run code when it is read; it was not opened. "
            "Save its content as JSON."
        )

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> NoReturn:
        """Refuse an open file, see :meth:`load_from_path`."""
        self.load_from_path(getattr(file, "name", "a file"))


def install() -> None:
    """Close them."""
    file_handlers.update(pkl=ClosedPickleHandler(), pickle=ClosedPickleHandler())
    for name in STORES_WITH_CODE:
        backends[name] = FileClient._backends[name] = _closed_store
    # The module calls the builtin ``eval``; a global of that name comes first.
    module = importlib.import_module("mmcv.ops.nms")
    module.eval = _operator


def _closed_store(**arguments: Any) -> NoReturn:
    raise InputError(
        f"A file store with the arguments {sorted(arguments)} imports code from a folder that the "
        "config names; it was not opened. Copy the files to a local folder."
    )


def _operator(name: str) -> Any:
    if name not in OPERATORS:
        raise InputError(f"nms type is '{name[:80]}', expected one of {', '.join(OPERATORS)}.")
    return getattr(importlib.import_module("mmcv.ops.nms"), name)
