"""Rows of MOTChallenge text in columns: ``frame,id,x,y,w,h,conf,class,visibility``.

Frames count from 1, boxes are in pixels, and results may stop after seven columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults

NO_CLASS = -1
_COLUMNS = ("frame", "id", "x", "y", "w", "h", "conf", "class", "visibility")
_REQUIRED = 7
_UNSAID = (float(NO_CLASS), 1.0)
"""What the columns mean that a row may lack."""
_LARGEST = 2**53  # whole numbers above it are not exact in a text of decimals


@dataclass(frozen=True)
class MotRows:
    """Rows of one file in columns, in file order.

    Attributes:
        lines: (N,) int64 line of the file, from 1.
        frames: (N,) int64, from 1.
        tracks: (N,) int64.
        bboxes: (N, 4) float64 ``(x, y, w, h)``.
        confidences: (N,) float64; 0 in ground truth means "do not evaluate".
        classes: (N,) int64, ``NO_CLASS`` where the row does not say.
        visibilities: (N,) float64 part of the object that is seen, 1 where the row does not say.
    """

    lines: NDArray[np.int64]
    frames: NDArray[np.int64]
    tracks: NDArray[np.int64]
    bboxes: NDArray[np.float64]
    confidences: NDArray[np.float64]
    classes: NDArray[np.int64]
    visibilities: NDArray[np.float64]

    def select(self, rows: NDArray[np.integer[Any] | np.bool_]) -> MotRows:
        """Return only the given rows (indices or mask)."""
        return MotRows(**{name: column[rows] for name, column in vars(self).items()})

    def finite(self) -> NDArray[np.bool_]:
        """Rows whose numbers, corners and area are finite: (N,) bool."""
        starts, sizes = self.bboxes[:, :2], self.bboxes[:, 2:]
        with np.errstate(over="ignore", invalid="ignore"):
            derived = np.column_stack([starts + sizes, sizes.prod(axis=1), self.confidences])
        finite: NDArray[np.bool_] = np.isfinite(np.hstack([self.bboxes, derived])).all(axis=1)
        return finite


def parse_rows(text: str, place: str | Path) -> MotRows:
    """Read the rows of a text; blank lines are left out.

    Args:
        text: Lines of seven or more numbers.
        place: The file, for messages.

    Raises:
        InputError: A line is not seven or more comma-separated numbers, or frame, id or class is
            not a whole number.
    """
    lines = [
        (number, line.rstrip(", \t"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    cells = [_cells(line, f"{place}, line {number}") for number, line in lines]
    return _columns([number for number, _ in lines], cells)


def read_rows(
    tree: FileTree, name: str, num_frames: int, problems: InputFaults, tracked: bool = True
) -> MotRows:
    """Read one file of a tree.

    Args:
        tree: Where it is.
        name: Which one.
        num_frames: Length of the sequence.
        problems: What happens to a row outside of the video, with an impossible box, or with an
            id that its frame already has.
        tracked: Whether rows are of tracks; the id of a detection says nothing.

    Raises:
        InputError: A line is not seven or more comma-separated numbers, or frame, id or class is
            not a whole number.
    """
    place = f"{tree.path}/{name}"
    rows = parse_rows(tree.read_text(name), place)
    bad = np.zeros(len(rows.lines), dtype=bool)
    for fault, reason in (
        (~rows.finite(), "a number is not finite"),
        ((rows.bboxes[:, 2:] < 0).any(axis=1), "width and height must not be negative"),
        ((rows.frames < 1) | (rows.frames > num_frames), f"expected a frame of 1 to {num_frames}"),
        ((rows.tracks < 0) & tracked, "expected an id of at least 0"),
        (_repeated(rows) & tracked, "its id is already in this frame"),
    ):
        for k in np.flatnonzero(fault & ~bad):
            text = f"line {rows.lines[k]} (frame {rows.frames[k]}, id {rows.tracks[k]})"
            problems.report(place, text, reason)
        bad |= fault
    return rows.select(~bad)


def _cells(line: str, place: str) -> list[float]:
    cells = line.split(",")
    if len(cells) < _REQUIRED:
        raise InputError(f"{place}: {len(cells)} columns; expected frame,id,x,y,w,h,conf.")
    try:
        row = [float(cell) for cell in cells[: len(_COLUMNS)]]
    except ValueError as error:
        raise InputError(f"{place}: {error}; expected numbers between commas.") from None
    for k in (0, 1, 7):
        if k < len(row) and not (abs(row[k]) <= _LARGEST and row[k] == int(row[k])):
            raise InputError(f"{place}: {_COLUMNS[k]} must be a whole number, not {cells[k]}.")
    return [*row, *_UNSAID[len(row) - _REQUIRED :]]


def _columns(lines: list[int], rows: list[list[float]]) -> MotRows:
    table = np.array(rows, dtype=np.float64).reshape(-1, len(_COLUMNS))
    return MotRows(
        lines=np.array(lines, dtype=np.int64),
        frames=table[:, 0].astype(np.int64),
        tracks=table[:, 1].astype(np.int64),
        bboxes=table[:, 2:6],
        confidences=table[:, 6],
        classes=table[:, 7].astype(np.int64),
        visibilities=table[:, 8],
    )


def _repeated(rows: MotRows) -> NDArray[np.bool_]:
    """Rows whose id an earlier row of the same frame has: (N,) bool."""
    order = np.lexsort((rows.tracks, rows.frames))
    same = (np.diff(rows.frames[order]) == 0) & (np.diff(rows.tracks[order]) == 0)
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:][same]] = True
    return repeated
