"""Points to follow, as users say them: in words, as a grid, or in a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.archives import open_binary, read_npz
from vovtrack.formats.labelme import read_points
from vovtrack.structures import Target
from vovtrack.structures.points import PointQueries

MAX_POINTS = 50_000
"""Of one video."""
MAX_GRID = 1000
"""Points along a side."""
SUFFIXES = (".json", ".csv", ".npz")
FORM = "[NAME=]X,Y or [NAME=]X,Y@FRAME"
_FRAME_COLUMNS, _NAME_COLUMNS = ("frame", "t"), ("name", "label")
Chosen = Callable[[int, int], PointQueries]
"""Points for frames of some width and height, in pixels."""


def choose_points(
    words: Sequence[str] | None = None, grid: int | None = None, file: str | Path | None = None
) -> Chosen | None:
    """Put together what is to be followed: the points of ``words``, of ``grid`` and of ``file``.

    Args:
        words: See :func:`parse_points`.
        grid: Points along each side, in the middles of equal cells of the first frame.
        file: See :func:`read_queries`.

    Returns:
        What gives the points for a size of frames and raises InputError where they do not fit, or
        are none or more than ``MAX_POINTS``; None if nothing is asked for.

    Raises:
        InputError: Words that are not points, or an unusable grid.
    """
    if words is None and grid is None and file is None:
        return None
    said = parse_points(words or ())
    if grid is not None and not 1 <= grid <= MAX_GRID:
        raise InputError(f"--grid is {grid}, expected 1 to {MAX_GRID} points a side.")

    def choose(width: int, height: int) -> PointQueries:
        parts = [said]
        if file is not None:
            parts.append(read_queries(file, width, height))
        if grid is not None:
            parts.append(_grid(grid, width, height))
        rows = np.concatenate([part.queries for part in parts])
        if not len(rows):
            raise InputError("There is no point to follow: give one as X,Y, such as 320,240.")
        if len(rows) > MAX_POINTS:
            raise InputError(
                f"{len(rows):,} points were asked for; at most {MAX_POINTS:,} are followed at "
                "once: ask for fewer, in several runs."
            )
        Target(points=rows).check_inside(width, height)
        names = [name for part in parts for name in part.names]
        return PointQueries(rows, tuple(name or str(k) for k, name in enumerate(names)))

    return choose


def parse_points(words: Iterable[str]) -> PointQueries:
    """Read points from words, with semicolons between points of one word.

    Args:
        words: ``320,240``, ``cup=320,240``, ``320,240@10`` for a place in frame 10 (from 0), or
            ``10,320,240`` for the same.

    Raises:
        InputError: Another text.
    """
    texts = [text.strip() for word in words for text in word.split(";")]
    rows, names = [], []
    for text in filter(None, texts):
        name, _, place = text.rpartition("=")
        place, at, frame = place.partition("@")
        try:
            numbers = [float(number) for number in place.split(",")]
            numbers = [float(frame), *numbers] if at else numbers
        except ValueError:
            numbers = []
        if len(numbers) not in ((3,) if at else (2, 3)):
            raise InputError(f"--points is '{text}', expected {FORM}.")
        rows.append((0.0, *numbers)[-3:])
        names.append(name.strip())
    return _queries(rows, names)


def read_queries(path: str | Path, width: int, height: int) -> PointQueries:
    """Read points from a file: labelme's ``.json``, ``.csv`` or ``.npz``.

    A CSV file is rows ``x,y``, or has a header with ``x``, ``y`` and perhaps ``frame`` and
    ``name``. An NPZ file holds ``queries`` (N, 3) ``(frame, x, y)`` or ``points`` (N, 2), and
    perhaps ``names`` (N,).

    Args:
        path: The file.
        width: Of the frames in pixels.
        height: Of the frames in pixels.

    Raises:
        InputError: Another kind of file, one without points, or a value that is not a number.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: points are read from {', '.join(SUFFIXES)} files.")
    if path.suffix.lower() == ".json":
        labelled = read_points(path, width, height)
        rows = [(0.0, x, y) for x, y in labelled.points.tolist()]
        return _queries(rows, labelled.names)
    found = _read_csv(path) if path.suffix.lower() == ".csv" else _read_npz(path)
    if not len(found.queries):
        raise InputError(f"{path}: holds no points.")
    return found


def _grid(count: int, width: int, height: int) -> PointQueries:
    """Points in the middles of ``count`` x ``count`` equal cells, row by row."""
    middles = (np.arange(count) + 0.5) / count
    y, x = np.meshgrid(middles * height, middles * width, indexing="ij")
    rows = np.stack([np.zeros_like(x), x, y], axis=-1).reshape(-1, 3)
    return PointQueries(rows.astype(np.float32), ("",) * len(rows))


def _queries(rows: Sequence[tuple[float, ...]], names: Sequence[str]) -> PointQueries:
    return PointQueries(np.array(rows, dtype=np.float32).reshape(-1, 3), tuple(names))


def _read_csv(path: Path) -> PointQueries:
    with open_binary(path) as file:
        try:
            text = file.read().decode("utf-8-sig")
            lines = [line for line in csv.reader(io.StringIO(text)) if any(map(str.strip, line))]
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: not a CSV file ({error}).") from None
    header = ["x", "y"]
    if lines and not _is_number(lines[0][0]):
        header = [cell.strip().lower() for cell in lines.pop(0)]
    if not {"x", "y"} <= set(header):
        raise InputError(f"{path}: the header must name 'x' and 'y', it is {','.join(header)}.")
    rows, names = [], []
    for number, line in enumerate(lines, 1):
        cells = dict(zip(header, line, strict=False))
        frame = next((cells[key] for key in _FRAME_COLUMNS if cells.get(key)), "0")
        try:
            rows.append((float(frame), float(cells["x"]), float(cells["y"])))
        except (KeyError, ValueError):
            raise InputError(
                f"{path}: point {number} is '{','.join(line)}', expected {','.join(header)}."
            ) from None
        names.append(next((cells[key] for key in _NAME_COLUMNS if key in cells), ""))
    return _queries(rows, names)


def _read_npz(path: Path) -> PointQueries:
    with open_binary(path) as file:
        try:
            arrays = read_npz(file, path)
        except ValueError as error:
            raise InputError(f"{path}: damaged, or not an .npz file ({error}).") from None
    rows = arrays.get("queries", arrays.get("points"))
    if (
        rows is None
        or rows.dtype.kind not in "iuf"
        or rows.ndim != 2
        or rows.shape[1] not in (2, 3)
    ):
        raise InputError(
            f"{path}: expected an array 'queries' (N, 3) of (frame, x, y), or 'points' (N, 2)."
        )
    names = arrays.get("names", np.full(len(rows), ""))
    if names.dtype.kind != "U" or names.shape != (len(rows),):
        raise InputError(f"{path}: 'names' must be {len(rows)} texts, one for each point.")
    if rows.shape[1] == 2:
        rows = np.column_stack([np.zeros(len(rows)), rows])
    return PointQueries(rows.astype(np.float32), tuple(names.tolist()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
