"""Errors meant for the person who typed the command."""

from __future__ import annotations


class InputError(ValueError):
    """Input from outside (a file, an option, a class list) that cannot be used as it is.

    The message is a sentence that names the file, the key and what was expected. The command line
    prints it without a traceback and exits with status 2.
    """
