"""Writing a file so that it is either complete or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def _permissions(path: Path) -> int:
    """Mode bits the finished file should have: the old file's, else what ``open`` would give."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", **open_kwargs: Any) -> Iterator[IO]:
    """Open a temporary file that takes the name ``path`` only when the block succeeds.

    The file is written beside its destination, flushed, synced to disk and renamed, so that a
    crash, a full disk or a kill leaves either the previous file or none, never half of one.

    Args:
        path: Destination. Missing parent folders are created.
        mode: ``"w"`` (text, UTF-8 unless told otherwise) or ``"wb"``.
        **open_kwargs: Passed on to :func:`open`.

    Yields:
        The open temporary file.

    Raises:
        OSError: The folder cannot be written to or the disk is full; ``path`` is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if "b" not in mode:
        open_kwargs.setdefault("encoding", "utf-8")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with open(handle, mode, **open_kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
