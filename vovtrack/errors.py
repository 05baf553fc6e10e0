"""Errors meant for the person who typed the command."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

_Choice = TypeVar("_Choice", bound=str)


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


def did_you_mean(word: str, known: Iterable[str], count: int = 3, cutoff: float = 0.6) -> str:
    """A hint at the names that a misspelt one may stand for, to end a message with.

    Args:
        word: What was typed.
        known: The names that there are.
        count: Most names to offer, the nearest first.
        cutoff: Smallest similarity of a name to offer, 0 to 1.

    Returns:
        A question with a space before it, or nothing if no name is near.
    """
    near = [f"'{name}'" for name in difflib.get_close_matches(word, list(known), count, cutoff)]
    if not near:
        return ""
    *others, last = near
    return f" Did you mean {', '.join(others)} or {last}?" if others else f" Did you mean {last}?"


def one_of(name: str, value: _Choice, known: Iterable[str]) -> _Choice:
    """Return ``value`` if it is one of the names known.

    Args:
        name: What the value is of, for the message.
        value: What was given.
        known: The names that there are.

    Raises:
        InputError: It is another.
    """
    names = list(known)
    if value not in names:
        raise InputError(f"{name} is {value!r}, expected one of {', '.join(names)}.")
    return value
