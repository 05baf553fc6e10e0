"""Folders that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vovtrack.errors import InputError
from vovtrack.files.atomic import hidden_name, lock, reported, shortened, sweep, sync_folder

_BUSY = (
    "Another run is writing its results to '{}': wait until it has ended, or choose another folder."
)


@contextmanager
def new_folder(path: str | Path, replace: bool = False, kept: bool = False) -> Iterator[Path]:
    """Make a folder that takes the name ``path`` only when the block succeeds.

    Args:
        path: Destination. Missing parent folders are created. An empty folder may be there.
        replace: Whether a folder that is not empty is replaced.
        kept: Whether what the block has written is kept when it fails, and found again by the
            next run: a long job that resumes.

    Yields:
        The folder under construction; fill it with :func:`vovtrack.files.atomic.create`. Its
        parent is the place for notes that do not belong to the result.

    Raises:
        WriteError: The folder around it cannot be written to, or the disk is full.
        InputError: Something is under that name that is not to be replaced, or ``kept`` and
            another run is writing it.
    """
    path = Path(path).absolute()
    _check_replaceable(path, replace)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        name = hidden_name(path.name, secrets.token_hex(8))
        staging = unfinished(path) if kept else path.with_name(name)
        staging.mkdir(exist_ok=kept)
        handle = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    published = False
    try:
        if not _try_lock(handle) and kept:
            raise InputError(_BUSY.format(path))
        with reported(path):
            (staging / "new").mkdir(exist_ok=kept)
        yield staging / "new"
        _check_replaceable(path, replace)
        with reported(path):
            shutil.rmtree(staging / "old", ignore_errors=True)
            if path.exists():
                path.rename(staging / "old")
            (staging / "new").rename(path)
            sync_folder(path.parent)
        published = True
    finally:
        if published or not kept:
            shutil.rmtree(staging, ignore_errors=True)
        os.close(handle)


def unfinished(path: Path) -> Path:
    """Where the parts of a folder lie that a job which resumes has not completed."""
    return path.with_name(f".{shortened(path.name)}.unfinished")


@contextmanager
def held_folders(folders: Iterable[str | Path]) -> Iterator[None]:
    """Keep other runs from writing to the same folders; a run that ends in any way lets go.

    Args:
        folders: Missing ones are created. On a file system without locks nothing is held.

    Raises:
        InputError: Another run holds one of them.
        WriteError: A folder cannot be created.
    """
    with ExitStack() as stack:
        for folder in sorted({Path(folder).resolve() for folder in folders}):
            with reported(folder):
                folder.mkdir(parents=True, exist_ok=True)
                handle = os.open(folder, os.O_RDONLY)
            _held.add(handle)
            stack.callback(_let_go, handle)
            if not _try_lock(handle):
                raise InputError(_BUSY.format(folder))
        yield


def _let_go(handle: int) -> None:
    if handle in _held:
        _held.remove(handle)
        os.close(handle)


def _let_go_in_child() -> None:
    """A process that is forked off, which may live longer, holds nothing."""
    for handle in list(_held):
        _let_go(handle)


_held: set[int] = set()
os.register_at_fork(after_in_child=_let_go_in_child)


def _check_replaceable(path: Path, replace: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise InputError(f"'{path}' is not a folder: give the name of a folder to write.")
    if path.is_dir() and not replace and any(path.iterdir()):
        raise InputError(f"'{path}' is not empty: choose another folder, or remove it first.")


def _try_lock(handle: int) -> bool:
    """Lock a folder; False if another run has done so. A file system may know no locks."""
    try:
        return lock(handle)
    except OSError:
        return True
