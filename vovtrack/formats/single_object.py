"""Single-object benchmarks: one text file of boxes per sequence.

A row is ``x, y, w, h`` in pixels, one per frame, between commas, tabs or blanks. Ground truth lies
as in LaSOT and GOT-10k (``<sequence>/groundtruth.txt``, with ``full_occlusion.txt`` and
``out_of_view.txt``, or ``cover.label``), as in OTB (``<sequence>/groundtruth_rect.txt``), or as
``<sequence>.txt``; predictions as ``<sequence>.txt`` or ``<sequence>/<any>.txt``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults

_GT_NAMES = ("groundtruth.txt", "groundtruth_rect.txt")
_BETWEEN = re.compile(r"[,;\s]+")
_RESOLUTION = re.compile(r"resolution\s*[:=]\s*\(?\s*(\d{1,9})\s*[,x]\s*(\d{1,9})(?!\d)")


@dataclass(frozen=True)
class SotSequence:
    """Ground truth of one sequence.

    Attributes:
        name: Its name.
        bboxes: (T, 4) float64 ``(x, y, w, h)``; NaN where there is no box.
        visible: (T,) bool, all True where the dataset does not say.
        size: (width, height) of the images, or None where the dataset does not say.
    """

    name: str
    bboxes: NDArray[np.float64]
    visible: NDArray[np.bool_]
    size: tuple[int, int] | None


def read_ground_truth(path: str | Path) -> list[SotSequence]:
    """Read all sequences of a folder or ``.zip``, in the order of their names.

    Raises:
        InputError: There is none, a file is malformed, or a list of visible frames has another
            length than the ground truth.
    """
    tree = FileTree(path)
    names = tree.names(".txt")
    files = {
        PurePosixPath(name).parent.name or Path(path).stem: name
        for name in names
        if PurePosixPath(name).name in _GT_NAMES
    } or {PurePosixPath(name).stem: name for name in names}
    if not files:
        raise InputError(f"{path}: found no <sequence>/groundtruth.txt and no <sequence>.txt.")
    return [_sequence(tree, name, file) for name, file in sorted(files.items())]


def read_predictions(
    path: str | Path, sequences: list[SotSequence], problems: InputFaults, corners: bool = False
) -> list[NDArray[np.float64]]:
    """Read the predictions of every sequence: (T, 4) ``(x, y, w, h)`` each.

    A missing file, a file of an unknown sequence and a wrong number of rows are reported; lenient,
    missing rows are empty boxes and surplus rows are cut.

    Args:
        path: Folder or ``.zip``.
        sequences: Ground truth.
        problems: What happens to what does not fit.
        corners: The rows are ``x1, y1, x2, y2``.

    Raises:
        InputError: A file is malformed or holds a number that is not finite.
    """
    tree = FileTree(path)
    known = {sequence.name: sequence for sequence in sequences}
    files: dict[str, str] = {}
    for file in tree.names(".txt"):
        stem, folder = PurePosixPath(file).stem, PurePosixPath(file).parent.name
        if stem not in known and folder not in known:
            problems.report(path, file, "the ground truth has no such sequence")
        elif (name := stem if stem in known else folder) in files:
            raise InputError(f"{path}: '{files[name]}' and '{file}' are of one sequence.")
        else:
            files[name] = file
    return [_fitted(tree, files.get(name), known[name], problems, corners) for name in known]


def _fitted(
    tree: FileTree,
    file: str | None,
    sequence: SotSequence,
    problems: InputFaults,
    corners: bool,
) -> NDArray[np.float64]:
    frames = len(sequence.bboxes)
    fitted = np.zeros((frames, 4))
    if file is None:
        problems.report(tree.path, f"{sequence.name}.txt", "the predictions are missing")
        return fitted
    rows = _read_boxes(tree, file)
    if not np.isfinite(rows).all():
        line = int(np.argmin(np.isfinite(rows).all(axis=1))) + 1
        raise InputError(f"{tree.path}/{file}, line {line}: a number is not finite.")
    if len(rows) != frames:
        reason = f"{len(rows)} rows for {frames} frames; expected one per frame"
        problems.report(f"{tree.path}/{file}", sequence.name, reason)
    fitted[: len(rows)] = rows[:frames]
    if corners:
        fitted[:, 2:] -= fitted[:, :2]
    if (fitted[:, 2:] < 0).any():
        line = int(np.argmax((fitted[:, 2:] < 0).any(axis=1))) + 1
        raise InputError(f"{tree.path}/{file}, line {line}: a box has a negative size.")
    return fitted


def _sequence(tree: FileTree, name: str, file: str) -> SotSequence:
    boxes = _read_boxes(tree, file)
    if not len(boxes):
        raise InputError(f"{tree.path}/{file}: there is no box in it.")
    folder = file.rpartition("/")[0]
    visible = np.ones(len(boxes), dtype=bool)
    size = None
    if PurePosixPath(file).name in _GT_NAMES:
        for label, hides in (
            ("full_occlusion.txt", True),
            ("out_of_view.txt", True),
            ("absence.label", True),
            ("cover.label", False),
        ):
            flags = _flags(tree, f"{folder}/{label}".lstrip("/"), len(boxes))
            visible &= flags == 0 if hides else flags > 0
        size = _resolution(tree, f"{folder}/meta_info.ini".lstrip("/"))
    return SotSequence(name, boxes, visible, size)


def _flags(tree: FileTree, name: str, frames: int) -> NDArray[np.int64]:
    """One whole number per frame; what says "visible" where there is no such file."""
    if name not in tree:
        return np.full(frames, 1 if name.endswith("cover.label") else 0)
    words = [word for word in _BETWEEN.split(tree.read_text(name)) if word]
    try:
        flags = np.array([int(float(word)) for word in words])
    except (ValueError, OverflowError):
        raise InputError(f"{tree.path}/{name}: expected whole numbers, one per frame.") from None
    if len(flags) != frames:
        raise InputError(f"{tree.path}/{name}: {len(flags)} numbers for {frames} frames.")
    return flags


def _resolution(tree: FileTree, name: str) -> tuple[int, int] | None:
    """``resolution: (width, height)`` of GOT-10k."""
    if name not in tree:
        return None
    found = _RESOLUTION.search(tree.read_text(name))
    return (int(found[1]), int(found[2])) if found else None


def _read_boxes(tree: FileTree, name: str) -> NDArray[np.float64]:
    rows = []
    for number, line in enumerate(tree.read_text(name).splitlines(), 1):
        words = [word for word in _BETWEEN.split(line.strip()) if word]
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError as error:
            raise InputError(f"{tree.path}/{name}, line {number}: {error}.") from None
        if len(words) != 4:
            raise InputError(
                f"{tree.path}/{name}, line {number}: {len(words)} numbers; expected x, y, w, h."
            )
    return np.array(rows, dtype=np.float64).reshape(-1, 4)
