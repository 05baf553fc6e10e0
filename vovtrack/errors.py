"""Errors meant for the person who typed the command."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Input from outside (a file, an option, a class list) that cannot be used as it is.

    The message is a sentence that names the file, the key and what was expected. The command line
    prints it without a traceback and exits with status 2. Names in it may come from strangers:
    what is not printable is shown as "?", so that it stays one line.
    """

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else "?" for c in super().__str__())


class WriteError(OSError, InputError):
    """A file that cannot be written: no space, no permission, no such folder.

    Args:
        message: The sentence.
    """

    @classmethod
    def of(cls, path: str | Path, error: OSError) -> WriteError:
        """The error of the system as a sentence that names the file."""
        return cls(f"'{path}' cannot be written: {error.strerror or error}.")
