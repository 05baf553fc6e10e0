"""MOTChallenge folders: ``<sequence>/gt/gt.txt`` with ``seqinfo.ini``, and ``<sequence>.txt``.

A row is ``frame,id,x,y,w,h,conf,class,visibility``; frames count from 1, boxes are in pixels, and
results may stop after seven columns. A sequence map lists sequences, one per line under the header
``name``. :mod:`vovtrack.formats.mot` reads and writes single files as track sequences; here a whole
benchmark is read in columns.
"""

from __future__ import annotations

import configparser
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree, open_binary
from vovtrack.formats.faults import InputFaults
from vovtrack.structures.vocabulary import first_repeated

NO_CLASS = -1
_COLUMNS = ("frame", "id", "x", "y", "w", "h", "conf", "class", "visibility")
_REQUIRED = 7
_GT = "gt/gt.txt"
_MAP_HEADER = "name"
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
    """

    lines: NDArray[np.int64]
    frames: NDArray[np.int64]
    tracks: NDArray[np.int64]
    bboxes: NDArray[np.float64]
    confidences: NDArray[np.float64]
    classes: NDArray[np.int64]

    def select(self, rows: NDArray[np.integer[Any] | np.bool_]) -> MotRows:
        """Return only the given rows (indices or mask)."""
        return MotRows(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class MotSequence:
    """Ground truth of one sequence.

    Attributes:
        name: Its folder.
        num_frames: ``seqLength`` of its ``seqinfo.ini``.
        rows: Its ground truth.
    """

    name: str
    num_frames: int
    rows: MotRows


def read_sequence_map(path: str | Path) -> list[str]:
    """Read the names of a sequence map, in file order.

    Raises:
        InputError: It cannot be read, is empty, or lists a sequence twice.
    """
    with open_binary(path) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    names = [name for line in lines if (name := line.split(",")[0].strip())]
    if names[:1] == [_MAP_HEADER]:
        names = names[1:]
    if not names:
        raise InputError(f"{path}: expected one sequence per line under '{_MAP_HEADER}'.")
    if (repeated := first_repeated(names)) is not None:
        raise InputError(f"{path}: sequence '{repeated}' is listed twice.")
    return names


def find_sequences(path: str | Path) -> dict[str, str]:
    """Find the ground truth of all sequences of a folder or ``.zip``.

    Returns:
        {sequence: its folder inside, with a slash at the end}, by name.

    Raises:
        InputError: There is no ``<sequence>/gt/gt.txt``, or two sequences have one name.
    """
    files = [name for name in FileTree(path).names(_GT) if f"/{name}".endswith(f"/{_GT}")]
    if not files:
        raise InputError(f"{path}: found no <sequence>/gt/gt.txt in it.")
    folders: dict[str, str] = {}
    for file in files:
        folder = file.removesuffix(_GT)
        name = PurePosixPath(folder).name or Path(path).stem
        if name in folders:
            raise InputError(f"{path}: two sequences are called '{name}'.")
        folders[name] = folder
    return dict(sorted(folders.items()))


def read_ground_truth(
    path: str | Path, folders: dict[str, str], problems: InputFaults
) -> list[MotSequence]:
    """Read sequences.

    Args:
        path: Folder or ``.zip``.
        folders: Which sequences of :func:`find_sequences`.
        problems: See :func:`read_rows`.

    Raises:
        InputError: A ``seqinfo.ini`` is missing or lacks ``seqLength``, or a file is malformed.
    """
    tree = FileTree(path)
    sequences = []
    for name, folder in folders.items():
        length = _sequence_length(tree, f"{folder}seqinfo.ini")
        rows = read_rows(tree, folder + _GT, length, problems)
        sequences.append(MotSequence(name, length, rows))
    return sequences


def read_predictions(
    path: str | Path,
    sequences: list[MotSequence],
    problems: InputFaults,
    unasked: Collection[str] = (),
) -> list[MotRows]:
    """Read the results of every sequence from a folder or ``.zip`` of ``<sequence>.txt``.

    A missing file and a file of an unknown sequence are reported; an empty file is a result.

    Args:
        path: Folder or ``.zip``. Where it has a folder ``data``, as TrackEval asks, only files in
            such a folder are results.
        sequences: Their ground truth.
        problems: Told of missing and unknown files, and see :func:`read_rows`.
        unasked: Further sequences that may have results, which are not read.

    Returns:
        One entry per sequence, without rows where its file is missing.
    """
    tree = FileTree(path)
    files: dict[str, str] = {}
    for file in _result_files(tree):
        name = PurePosixPath(file).stem
        if name in files:
            raise InputError(f"{path}: '{files[name]}' and '{file}' are of one sequence.")
        files[name] = file
    known = {sequence.name for sequence in sequences}
    for name in sorted(set(files) - known - set(unasked)):
        problems.report(path, files[name], "the ground truth has no such sequence")
    for name in sorted(known - set(files)):
        problems.report(path, f"{name}.txt", "the results of this sequence are missing")
    return [
        read_rows(tree, files[s.name], s.num_frames, problems)
        if s.name in files
        else _columns([], [])
        for s in sequences
    ]


def read_rows(tree: FileTree, name: str, num_frames: int, problems: InputFaults) -> MotRows:
    """Read one file of a tree.

    Args:
        tree: Where it is.
        name: Which one.
        num_frames: Length of the sequence.
        problems: What happens to a row outside of the video, with an impossible box, or with an
            id that its frame already has.

    Raises:
        InputError: A line is not seven or more comma-separated numbers, or frame, id or class is
            not a whole number.
    """
    place = f"{tree.path}/{name}"
    lines = [
        (number, line.rstrip(", \t"))
        for number, line in enumerate(tree.read_text(name).splitlines(), 1)
        if line.strip()
    ]
    cells = [_cells(line, f"{place}, line {number}") for number, line in lines]
    rows = _columns([number for number, _ in lines], cells)
    bad = np.zeros(len(lines), dtype=bool)
    for fault, reason in (
        (~_finite(rows), "a number is not finite"),
        ((rows.bboxes[:, 2:] < 0).any(axis=1), "width and height must not be negative"),
        ((rows.frames < 1) | (rows.frames > num_frames), f"expected a frame of 1 to {num_frames}"),
        (rows.tracks < 0, "expected an id of at least 0"),
        (_repeated(rows), "its id is already in this frame"),
    ):
        for k in np.flatnonzero(fault & ~bad):
            text = f"line {rows.lines[k]} (frame {rows.frames[k]}, id {rows.tracks[k]})"
            problems.report(place, text, reason)
        bad |= fault
    return rows.select(~bad)


def _result_files(tree: FileTree) -> list[str]:
    """Text files, without the summaries that TrackEval writes beside the folder ``data``."""
    files = tree.names(".txt")
    return [file for file in files if PurePosixPath(file).parent.name == "data"] or files


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
    return row + [float(NO_CLASS)] * (8 - len(row)) if len(row) < 8 else row[:8]


def _columns(lines: list[int], rows: list[list[float]]) -> MotRows:
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    return MotRows(
        lines=np.array(lines, dtype=np.int64),
        frames=table[:, 0].astype(np.int64),
        tracks=table[:, 1].astype(np.int64),
        bboxes=table[:, 2:6],
        confidences=table[:, 6],
        classes=table[:, 7].astype(np.int64),
    )


def _finite(rows: MotRows) -> NDArray[np.bool_]:
    """Rows whose numbers, corners and area are finite: (N,) bool."""
    starts, sizes = rows.bboxes[:, :2], rows.bboxes[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        derived = np.column_stack([starts + sizes, sizes.prod(axis=1), rows.confidences])
    finite: NDArray[np.bool_] = np.isfinite(np.column_stack([rows.bboxes, derived])).all(axis=1)
    return finite


def _repeated(rows: MotRows) -> NDArray[np.bool_]:
    """Rows whose id an earlier row of the same frame has: (N,) bool."""
    order = np.lexsort((rows.tracks, rows.frames))
    same = (np.diff(rows.frames[order]) == 0) & (np.diff(rows.tracks[order]) == 0)
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:][same]] = True
    return repeated


def _sequence_length(tree: FileTree, name: str) -> int:
    place = f"{tree.path}/{name}"
    parser = configparser.ConfigParser()
    try:
        parser.read_string(tree.read_text(name), place)
        return int(parser["Sequence"]["seqLength"])
    except (configparser.Error, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: expected [Sequence] with seqLength=<frames>.") from None
