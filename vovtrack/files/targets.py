"""Which places a run may write to: regular files, and never those that it reads from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vovtrack.errors import InputError

_Key = tuple[int, int]  # device and inode: one file has many names


@dataclass
class _Run:
    """What a run reads, with words for it, and what it wrote, which it may read and replace."""

    inputs: dict[_Key, str] = field(default_factory=dict)
    written: set[_Key] = field(default_factory=set)


_runs: list[_Run] = []
"""The guarded blocks that are open, the outermost first."""


@contextmanager
def guarded_inputs() -> Iterator[None]:
    """Within the block, nothing that was given to :func:`mark_input` is replaced by an output."""
    _runs.append(_Run())
    try:
        yield
    finally:
        _runs.pop()


def mark_input(path: str | Path, what: str = "a file that is read") -> None:
    """Note that the run reads a file; has no effect outside of :func:`guarded_inputs`.

    Args:
        path: The file; what does not exist (a camera, a URL) is not noted.
        what: What it is, for the error message.
    """
    if not _runs:
        return
    try:
        key = _key(os.stat(path))
    except (OSError, ValueError):
        return
    if not any(key in run.written for run in _runs):
        _runs[-1].inputs.setdefault(key, what)


def check_target(path: str | Path) -> os.stat_result | None:
    """Refuse a place that must not be written to.

    Args:
        path: Where a file is to be written.

    Returns:
        The status of the file that would be replaced, if there is one.

    Raises:
        InputError: It names a folder, a device or pipe, a symbolic link, or something that the
            run reads.
    """
    try:
        found = os.lstat(path)
    except (OSError, ValueError):  # nothing there, or the writing will say what is wrong
        return None
    if what := _what_is_read(path):
        raise InputError(f"'{path}' is also {what}: choose another name to write to.")
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"'{path}' names a folder, expected the name of a file to write.")
    if stat.S_ISLNK(found.st_mode):
        raise InputError(
            f"'{path}' is a symbolic link to '{os.readlink(path)}': name a file itself."
        )
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"'{path}' is a device or a pipe, expected the name of a file to write.")
    return found


def note_written(handle: int) -> None:
    """Note that the run wrote the file that is open under ``handle``."""
    key = _key(os.fstat(handle))
    for run in _runs:
        run.written.add(key)
        run.inputs.pop(key, None)  # the number of a deleted file is given again


def _what_is_read(path: str | Path) -> str | None:
    """What the run reads under a path, which may be a link."""
    try:
        key = _key(os.stat(path))
    except OSError:
        return None
    return next((run.inputs[key] for run in _runs if key in run.inputs), None)


def _key(status: os.stat_result) -> _Key:
    return status.st_dev, status.st_ino
