"""The one door for written files: each is complete under its name, or absent.

A file is written beside its destination under a name that nobody can guess, flushed, synced to
disk and renamed. A crash, a full disk or a kill leaves either the previous file or none, never
half of one. The writer holds a lock on its unfinished file: one without a lock is what a killed
run left, and is removed by the next run that writes to the folder.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from vovtrack.errors import WriteError
from vovtrack.files.targets import check_target, note_written

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}\.unfinished")
_LONGEST = 200
"""Bytes of a file's name that go into its temporary name; file systems allow 255."""
_swept: set[Path] = set()


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", **open_kwargs: Any) -> Iterator[IO[Any]]:
    """Open a temporary file that takes the name ``path`` only when the block succeeds.

    Of several runs that write to one path at once, the last to finish wins.

    Args:
        path: Destination. Missing parent folders are created.
        mode: ``"w"`` (text, UTF-8 unless told otherwise) or ``"wb"``.
        **open_kwargs: Passed on to :func:`open`.

    Yields:
        The open temporary file.

    Raises:
        WriteError: The folder cannot be written to or the disk is full; ``path`` is untouched.
        InputError: See :func:`vovtrack.files.targets.check_target`.
    """
    draft = Draft(path, mode, **open_kwargs)
    try:
        yield draft.file
        draft.publish()
    except BaseException as error:
        draft.discard()
        if isinstance(error, OSError) and error.filename is None:
            raise WriteError.of(path, error) from error
        raise


class Draft:
    """A file under construction beside its destination, locked while it is open.

    Args:
        path: Destination. Missing parent folders are created.
        mode: ``"w"`` (text, UTF-8 unless told otherwise) or ``"wb"``.
        named: Makes the name of the temporary file from that of the destination and a word.
        **open_kwargs: Passed on to :func:`open`.

    Attributes:
        temporary: Its path for the time being.
        file: The open file.

    Raises:
        WriteError: The folder cannot be written to.
        InputError: See :func:`vovtrack.files.targets.check_target`.
    """

    def __init__(
        self,
        path: str | Path,
        mode: str = "w",
        named: Callable[[str, str], str] | None = None,
        **open_kwargs: Any,
    ) -> None:
        self.path = Path(path)
        replaced = check_target(self.path)
        if "b" not in mode:
            open_kwargs.setdefault("encoding", "utf-8")
        with reported(path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            sweep(self.path.parent)
            self.temporary, handle = _reserve(self.path, named or hidden_name)
            if replaced is not None:
                os.fchmod(handle, replaced.st_mode & 0o777)
            self.file: IO[Any] = os.fdopen(handle, mode, **open_kwargs)

    def append(self, text: str | bytes) -> None:
        """Write at the end, so that it survives a kill of the process.

        Raises:
            WriteError: The disk is full.
        """
        with reported(self.path):
            self.file.write(text)
            self.file.flush()

    def publish(self) -> None:
        """Give the file its name, once all of it is on disk.

        Raises:
            WriteError: The disk is full; the temporary file stays.
            InputError: Meanwhile something is under that name that must not be replaced.
        """
        with reported(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            check_target(self.path)
            os.replace(self.temporary, self.path)
            note_written(self.file.fileno())
            self.file.close()
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file."""
        self.temporary.unlink(missing_ok=True)
        with suppress(OSError):  # what a full disk could not take
            self.file.close()


@contextmanager
def reported(path: str | Path) -> Iterator[None]:
    """Turn errors of the system into sentences that name ``path``."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError.of(path, error) from error


def create(path: str | Path, content: bytes) -> None:
    """Write a file of a folder under construction, which nobody reads before it is complete.

    Raises:
        WriteError: It exists, or cannot be written.
    """
    with reported(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with open(handle, "wb") as file:
            file.write(content)


@contextmanager
def append(path: str | Path, mode: str = "ab", **open_kwargs: Any) -> Iterator[IO[Any]]:
    """Open a file that grows over several runs: a journal, a part of a download.

    Args:
        path: The file; a missing one is created, a link is not followed.
        mode: ``"ab"`` or ``"a"``.
        **open_kwargs: Passed on to :func:`open`.

    Raises:
        WriteError: It cannot be written.
        InputError: See :func:`vovtrack.files.targets.check_target`.
    """
    check_target(path)
    with reported(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    with open(handle, mode, **open_kwargs) as file:
        note_written(handle)
        yield file


def move(part: str | Path, path: str | Path) -> None:
    """Give a file that is complete its final name on the same disk.

    Raises:
        WriteError: The folder cannot be written to.
        InputError: See :func:`vovtrack.files.targets.check_target`.
    """
    path = Path(path)
    check_target(path)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
            note_written(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files."""
    with suppress(PermissionError):  # a folder that may be written to but not listed
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what killed runs left unfinished in a folder; once per folder and process."""
    folder = folder.absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _UNFINISHED.fullmatch(entry.name) and is_abandoned(Path(entry.path)):
                _remove(Path(entry.path))


def is_abandoned(unfinished: Path) -> bool:
    """Whether no process has an unfinished file or folder open any more."""
    kind = (
        os.O_RDONLY if unfinished.is_dir() else os.O_RDWR
    )  # a network disk locks what is writable
    try:
        handle = os.open(unfinished, kind | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return lock(handle)
    except OSError:  # a file system without locks: nobody knows
        return False
    finally:
        os.close(handle)


def lock(handle: int) -> bool:
    """Lock an open file or folder; False if another one has locked it.

    Raises:
        OSError: The file system knows no locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hidden_name(name: str, word: str) -> str:
    """Temporary name of a file or folder that is of no use before it is complete."""
    return f".{shortened(name)}.{word}.unfinished"


def shortened(name: str) -> str:
    """A name that leaves room for an ending."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST])


def _reserve(path: Path, named: Callable[[str, str], str]) -> tuple[Path, int]:
    """Create a locked file beside ``path``, under a new name that nobody can guess."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    while True:
        temporary = path.with_name(named(path.name, secrets.token_hex(8)))
        handle = os.open(temporary, flags, 0o666)
        try:
            if lock(handle) and os.fstat(handle).st_nlink:
                return temporary, handle
        except OSError:  # a file system without locks
            return temporary, handle
        os.close(handle)  # in this very moment another run took it for an abandoned one
        temporary.unlink(missing_ok=True)


def _remove(unfinished: Path) -> None:
    if unfinished.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
    else:
        unfinished.unlink(missing_ok=True)
