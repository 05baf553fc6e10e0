"""The identity metrics: one assignment of tracks to objects for the whole video.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
2016. With P[g, d] the number of frames in which object g and track d overlap by at least 0.5, the
assignment that wastes the fewest boxes is the one that maximises the sum of P, since the boxes
of both sides are constant. Columns: ``idtp`` that sum; ``idfn``, ``idfp`` the boxes left over.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.evaluation.frames import VideoFrames
from vovtrack.evaluation.statistics import Family, Statistics

THRESHOLD = 0.5
COLUMNS = ("idtp", "idfn", "idfp")
METRICS = ("IDF1", "IDR", "IDP", "IDTP", "IDFN", "IDFP")


def count_identity(video: VideoFrames) -> dict[str, int]:
    """Count one video: {column: number}."""
    shared = np.zeros((len(video.gt_counts), len(video.dt_counts)), dtype=np.int64)
    for frame in video.frames:
        rows, columns = np.nonzero(frame.iou >= THRESHOLD)
        shared[frame.gt[rows], frame.dt[columns]] += 1
    idtp = int(shared[linear_sum_assignment(shared, maximize=True)].sum())
    idfn, idfp = int(video.gt_counts.sum()) - idtp, int(video.dt_counts.sum()) - idtp
    return {"idtp": idtp, "idfn": idfn, "idfp": idfp}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """IDF1, IDR and IDP in points, and the counts; NaN without any box."""
    tp, fn, fp = (statistics.sums(name, group, count, weights) for name in COLUMNS)
    values = (
        100 * tp / np.maximum(1, tp + (fn + fp) / 2),
        100 * tp / np.maximum(1, tp + fn),
        100 * tp / np.maximum(1, tp + fp),
        tp,
        fn,
        fp,
    )
    present = tp + fn + fp > 0
    return {m: np.where(present, v, np.nan) for m, v in zip(METRICS, values, strict=True)}


IDENTITY = Family("identity", METRICS, rates, totals=frozenset({"IDTP", "IDFN", "IDFP"}))
