"""Doors of mmengine through which a file becomes code, closed for everyone."""

from __future__ import annotations

from typing import Any, NoReturn

from mmengine.fileio import FileClient
from mmengine.fileio.backends import backends
from mmengine.fileio.handlers import PickleHandler, file_handlers

from vovtrack.errors import InputError

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


def _closed_store(**arguments: Any) -> NoReturn:
    raise InputError(
        f"A file store with the arguments {sorted(arguments)} imports code from a folder that the "
        "config names; it was not opened. Copy the files to a local folder."
    )
