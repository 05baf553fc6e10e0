"""From windows that overlap to the tracks of a whole video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, eq=False)
class Tracked:
    """Detections with the tracks that they are of.

    Attributes:
        frame: (N,) number of the frame.
        detection: (N,) number of the detection in its video.
        track: (N,) number of the track.
    """

    frame: NDArray[np.int64]
    detection: NDArray[np.int64]
    track: NDArray[np.int64]


def stitch(windows: Sequence[Tracked]) -> Tracked:
    """Join windows from left to right.

    A track of the next window is that of the one before with which it shares detections: as many
    tracks as possible find their partner, then these share as many detections as possible. The
    rows of an earlier window stay as they are.

    Args:
        windows: In the order of their frames, with tracks numbered from 0 in each.

    Returns:
        All detections, by frame and number.
    """
    joined = windows[0]
    for window in windows[1:]:
        joined = _append(joined, window)
    order = np.lexsort((joined.detection, joined.frame))
    return Tracked(joined.frame[order], joined.detection[order], joined.track[order])


def pair_best(shared: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair rows and columns: as many as possible, then those that share most.

    Args:
        shared: (L, R) what they share; those that share nothing are no pair.

    Returns:
        Rows and columns of the pairs.
    """
    more_than_all = shared.sum() + 1
    rows, columns = linear_sum_assignment(shared + more_than_all * (shared > 0), maximize=True)
    found = shared[rows, columns] > 0
    return rows[found], columns[found]


def _append(left: Tracked, right: Tracked) -> Tracked:
    _, rows, columns = np.intersect1d(left.detection, right.detection, return_indices=True)
    named = np.arange(right.track.max(initial=-1) + 1) + left.track.max(initial=-1) + 1
    if len(rows):
        of_left, row = np.unique(left.track[rows], return_inverse=True)
        of_right, column = np.unique(right.track[columns], return_inverse=True)
        shared = np.zeros((len(of_left), len(of_right)), dtype=np.int64)
        np.add.at(shared, (row, column), 1)
        row, column = pair_best(shared)
        named[of_right[column]] = of_left[row]
    new = right.frame > left.frame.max(initial=-1)
    return Tracked(
        np.concatenate([left.frame, right.frame[new]]),
        np.concatenate([left.detection, right.detection[new]]),
        np.concatenate([left.track, named[right.track[new]]]),
    )
