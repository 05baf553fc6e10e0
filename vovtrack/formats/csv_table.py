"""Tables that are written while a video runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vovtrack.files.streams import open_stream


class CsvTable:
    """A table that grows row by row; what is written survives a kill.

    See :mod:`vovtrack.files.streams`.

    Args:
        path: The file.
        columns: Their names.

    Attributes:
        unfinished: Where it grows.
    """

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self._draft = open_stream(path, newline="")
        self.unfinished = self._draft.temporary
        self.append([columns])

    def append(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write further rows."""
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        self._draft.append(text.getvalue())

    def finish(self) -> None:
        """Give the file its name."""
        self._draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()
