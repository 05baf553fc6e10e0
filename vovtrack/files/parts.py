"""The finished pieces of a result, kept until all of them are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write

LABEL = ".run"
"""Says whose the pieces are; hidden, as files under construction are, so that it is not a piece."""


class Parts:
    """Files in ``<path>.parts``, each complete or absent, that survive a kill.

    Several processes may share them. Who made them is written beside them, so that those of
    another run are refused instead of being mixed in.

    Args:
        path: The result that is made of them.
        run: What makes it (checkpoint, config, data; any text).

    Raises:
        InputError: The folder holds pieces of another run.
    """

    def __init__(self, path: str | Path, run: str) -> None:
        self.folder = self._folder(path)
        label = self.folder / LABEL
        known = label.read_text(encoding="utf-8") if label.exists() else None
        if known != run:
            if any(f.is_file() and not f.name.startswith(".") for f in self.folder.rglob("*")):
                raise InputError(
                    f"{self.folder}: holds unfinished results of another run; delete the folder "
                    "or write to another path."
                )
            with atomic_write(label) as file:
                file.write(run)

    @staticmethod
    def _folder(path: str | Path) -> Path:
        path = Path(path)
        return path.with_name(path.name + ".parts")

    @classmethod
    def forget(cls, path: str | Path) -> None:
        """Remove the pieces that a killed run left beside ``path``, if any."""
        shutil.rmtree(cls._folder(path), ignore_errors=True)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def finished(self, suffix: str) -> frozenset[str]:
        """Names of the pieces that are there, without their suffix, ``/`` between folders."""
        files = self.folder.rglob(f"*{suffix}")
        places = (file.relative_to(self.folder).as_posix() for file in files)
        return frozenset(place.removesuffix(suffix) for place in places)

    def copy(self, names: Iterable[str], folder: Path) -> list[Path]:
        """Copy pieces, named with their suffix, into a folder."""
        copies = []
        for name in names:
            copies.append(folder / name)
            with atomic_write(copies[-1], "wb") as file, open(self / name, "rb") as piece:
                shutil.copyfileobj(piece, file)
        return copies

    def discard(self) -> None:
        """Remove the pieces, once everything made of them is safe."""
        shutil.rmtree(self.folder)
