"""The identity metrics: one assignment of tracks to objects for the whole video.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
2016. With P[g, d] the number of frames in which object g and track d overlap by at least 0.5, the
assignment that wastes the fewest boxes is the one that maximises the sum of P, since the boxes
of both sides are constant. P is sparse, and each connected part of it is assigned by itself.
Columns: ``idtp`` that sum; ``idfn``, ``idfp`` the boxes left over.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vovtrack.evaluation.scores.boxes import dense
from vovtrack.evaluation.scores.frames import VideoFrames
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

THRESHOLD = 0.5
COLUMNS = ("idtp", "idfn", "idfp")
METRICS = ("IDF1", "IDR", "IDP", "IDTP", "IDFN", "IDFP")


def count_identity(video: VideoFrames) -> dict[str, int]:
    """Count one video: {column: number}."""
    idtp = _best_total(*_shared_frames(video))
    idfn, idfp = int(video.gt_counts.sum()) - idtp, int(video.dt_counts.sum()) - idtp
    return {"idtp": idtp, "idfn": idfn, "idfp": idfp}


def _shared_frames(video: VideoFrames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries of P that are not 0: object, track, number of frames, (K,) each."""
    tracks = len(video.dt_counts)
    codes = [np.zeros(0, dtype=np.int64)]
    for frame in video.frames:
        rows, columns = np.nonzero(frame.iou >= THRESHOLD)
        codes.append(frame.gt[rows] * tracks + frame.dt[columns])
    pairs, frames = np.unique(np.concatenate(codes), return_counts=True)
    return pairs // max(1, tracks), pairs % max(1, tracks), frames


def _best_total(gt: np.ndarray, dt: np.ndarray, frames: np.ndarray) -> int:
    """Largest sum of P over one-to-one assignments."""
    (rows, num_rows), (columns, num_columns) = ((ids, len(n)) for ids, n in (dense(gt), dense(dt)))
    nodes = num_rows + num_columns
    links = coo_matrix((frames, (rows, num_rows + columns)), shape=(nodes, nodes))
    part = connected_components(links, directed=False)[1][rows]
    order = np.argsort(part, kind="stable")
    total = 0
    for entries in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        (g, num_g), (d, num_d) = ((i, len(n)) for i, n in map(dense, (gt[entries], dt[entries])))
        block = np.zeros((num_g, num_d), dtype=np.int64)
        block[g, d] = frames[entries]
        total += int(block[linear_sum_assignment(block, maximize=True)].sum())
    return total


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """IDF1, IDR and IDP in points, NaN without ground truth, and the counts."""
    tp, fn, fp = (statistics.sums(name, group, count, weights) for name in COLUMNS)
    boxes = {"IDF1": tp + (fn + fp) / 2, "IDR": tp + fn, "IDP": tp + fp}
    points = {
        m: np.where(tp + fn > 0, 100 * tp / np.maximum(1, n), np.nan) for m, n in boxes.items()
    }
    return points | {"IDTP": tp, "IDFN": fn, "IDFP": fp}


IDENTITY = MetricFamily("identity", METRICS, rates, totals=frozenset({"IDTP", "IDFN", "IDFP"}))
