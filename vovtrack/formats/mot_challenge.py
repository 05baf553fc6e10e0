"""MOTChallenge folders: ``<sequence>/gt/gt.txt`` with ``seqinfo.ini``, and ``<sequence>.txt``.

A row is ``frame,id,x,y,w,h,conf,class,visibility``; frames count from 1, boxes are in pixels, and
results may stop after seven columns. :mod:`vovtrack.formats.mot` reads and writes single files as
track sequences; here a whole benchmark is read in columns.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from vovtrack.errors import InputError
from vovtrack.formats.opening import FileTree
from vovtrack.formats.problems import Problems

NO_CLASS = -1
_COLUMNS = ("frame", "id", "x", "y", "w", "h", "conf", "class", "visibility")
_REQUIRED = 7
_GT = "gt/gt.txt"
_LARGEST = 2**53  # whole numbers above it are not exact in a text of decimals


@dataclass(frozen=True)
class MotRows:
    """Rows of one file in columns, in file order.

    Attributes:
        frames: (N,) int64, from 1.
        tracks: (N,) int64.
        bboxes: (N, 4) float64 ``(x, y, w, h)``.
        confidences: (N,) float64; 0 in ground truth means "do not evaluate".
        classes: (N,) int64, ``NO_CLASS`` where the row does not say.
    """

    frames: np.ndarray
    tracks: np.ndarray
    bboxes: np.ndarray
    confidences: np.ndarray
    classes: np.ndarray


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


def read_ground_truth(path: str | Path, problems: Problems) -> list[MotSequence]:
    """Read all sequences of a folder or ``.zip``, in the order of their names.

    Raises:
        InputError: There is no ``<sequence>/gt/gt.txt``, a ``seqinfo.ini`` is missing or lacks
            ``seqLength``, two sequences have one name, or a file is malformed.
    """
    tree = FileTree(path)
    folders = [name.removesuffix(_GT) for name in tree.names(_GT)]
    if not folders:
        raise InputError(f"{path}: found no <sequence>/gt/gt.txt in it.")
    names = [PurePosixPath(folder).name or Path(path).stem for folder in folders]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path}: two sequences are called '{min(repeated)}'.")
    sequences = []
    for name, folder in sorted(zip(names, folders, strict=True)):
        length = _sequence_length(tree, f"{folder}seqinfo.ini")
        rows = read_rows(tree, folder + _GT, length, problems)
        sequences.append(MotSequence(name, length, rows))
    return sequences


def read_predictions(
    path: str | Path, sequences: list[MotSequence], problems: Problems
) -> list[MotRows]:
    """Read the results of every sequence from a folder or ``.zip`` of ``<sequence>.txt``.

    A missing file and a file of an unknown sequence are reported; an empty file is a result.

    Returns:
        One entry per sequence, without rows where its file is missing.
    """
    tree = FileTree(path)
    files: dict[str, str] = {}
    for file in tree.names(".txt"):
        name = PurePosixPath(file).stem
        if name in files:
            raise InputError(f"{path}: '{files[name]}' and '{file}' are of one sequence.")
        files[name] = file
    known = [sequence.name for sequence in sequences]
    for name in sorted(set(files) - set(known)):
        problems.report(path, files.pop(name), "the ground truth has no such sequence")
    for name in sorted(set(known) - set(files)):
        problems.report(path, f"{name}.txt", "the results of this sequence are missing")
    return [
        read_rows(tree, files[s.name], s.num_frames, problems) if s.name in files else _columns([])
        for s in sequences
    ]


def read_rows(tree: FileTree, name: str, num_frames: int, problems: Problems) -> MotRows:
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
    rows = _columns([_cells(line, f"{place}, line {number}") for number, line in lines])
    bad = np.zeros(len(lines), dtype=bool)
    for fault, reason in (
        (~np.isfinite(rows.bboxes).all(axis=1), "a number is not finite"),
        ((rows.bboxes[:, 2:] < 0).any(axis=1), "width and height must not be negative"),
        ((rows.frames < 1) | (rows.frames > num_frames), f"expected a frame of 1 to {num_frames}"),
        (rows.tracks < 0, "expected an id of at least 0"),
        (_repeated(rows), "its id is already in this frame"),
    ):
        for k in np.flatnonzero(fault & ~bad):
            text = f"line {lines[k][0]} (frame {rows.frames[k]}, id {rows.tracks[k]})"
            problems.report(place, text, reason)
        bad |= fault
    return MotRows(**{column: values[~bad] for column, values in vars(rows).items()})


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


def _columns(rows: list[list[float]]) -> MotRows:
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    return MotRows(
        frames=table[:, 0].astype(np.int64),
        tracks=table[:, 1].astype(np.int64),
        bboxes=table[:, 2:6],
        confidences=table[:, 6],
        classes=table[:, 7].astype(np.int64),
    )


def _repeated(rows: MotRows) -> np.ndarray:
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
