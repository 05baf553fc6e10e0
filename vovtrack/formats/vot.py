"""Regions of VOT: ground truth and results of trackers that are restarted after failures.

A row is a box ``x, y, w, h``, the four corners of a rotated one, or a code alone. Results lie in
``<sequence>/<sequence>_001.txt``, a file for each repetition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.polygons import CORNERS, corners
from vovtrack.formats.single_object import SotSequence
from vovtrack.formats.single_object_results import find_runs

REGION, UNKNOWN, START, FAILURE = -1, 0, 1, 2
"""What a frame holds: a region, or the codes of results: nothing, as the tracker was not running or
did not say; the start of the tracker; its failure."""
_BETWEEN = re.compile(r"[,;\s]+")


class Regions(NamedTuple):
    """Regions of the T frames of a sequence.

    Attributes:
        codes: (T,) int64, ``REGION`` or one of the codes.
        corners: (T, 8) float64, x and y of the corners in turn in pixels; NaN beside a code.
    """

    codes: NDArray[np.int64]
    corners: NDArray[np.float64]


def read_regions(tree: FileTree, name: str) -> Regions:
    """Read the regions of one file.

    Args:
        tree: Folder or archive.
        name: File in it.

    Raises:
        InputError: A row is malformed, or a number in it is not finite.
    """
    rows = tree.read_text(name).splitlines()
    found = [_region(tree, name, k, row.strip()) for k, row in enumerate(rows, 1) if row.strip()]
    codes = np.array([code for code, _ in found], dtype=np.int64)
    return Regions(codes, np.array([region for _, region in found]).reshape(-1, CORNERS))


def read_restarts(
    path: str | Path, sequences: Sequence[SotSequence], problems: InputFaults
) -> dict[str, list[Regions | None]]:
    """Read the results of a tracker: by repetition, one for each sequence.

    A missing file, a file of an unknown sequence and a wrong number of rows are reported; lenient,
    such a sequence is None.

    Args:
        path: Folder or ``.zip``.
        sequences: Ground truth.
        problems: What happens to what does not fit.

    Raises:
        InputError: A file is malformed.
    """
    tree = FileTree(path)
    known = {sequence.name: len(sequence.bboxes) for sequence in sequences}
    return {
        run: [_fitted(tree, files.get(name), name, known[name], problems) for name in known]
        for run, files in find_runs(tree, known, problems).items()
    }


def _fitted(
    tree: FileTree, file: str | None, name: str, frames: int, problems: InputFaults
) -> Regions | None:
    if file is None:
        problems.report(tree.path, f"{name}.txt", "the results are missing")
        return None
    regions = read_regions(tree, file)
    if len(regions.codes) != frames:
        reason = f"{len(regions.codes)} rows for {frames} frames; expected one per frame"
        problems.report(f"{tree.path}/{file}", name, reason)
        return None
    return regions


def _region(tree: FileTree, name: str, number: int, row: str) -> tuple[int, NDArray[np.float64]]:
    words = [word for word in _BETWEEN.split(row) if word]
    try:
        numbers = np.array([float(word) for word in words])
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
        if len(numbers) == 1 and numbers[0] in (UNKNOWN, START, FAILURE):
            return int(numbers[0]), np.full(CORNERS, np.nan)
        if len(numbers) not in (4, CORNERS):
            raise ValueError(f"'{row}' is not x, y, w, h, four corners, or a code 0, 1 or 2")
        return REGION, corners(numbers).reshape(CORNERS)
    except ValueError as error:
        raise InputError(f"{tree.path}/{name}, line {number}: {error}.") from None
