"""Video object segmentation: region similarity J and boundary accuracy F of DAVIS.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
CVPR 2016; Pont-Tuset et al., "The 2017 DAVIS Challenge", 2017. Per object and frame:

* J = |A and B| / |A or B| of the two masks, 1 where both are empty;
* F = 2PR / (P + R) of their boundaries: precision P is the part of the predicted boundary within
  ceil(0.008 x image diagonal) pixels of the true one, recall R the other way round.

Of an object's values over time: ``mean``; ``recall``, the part above 0.5; ``decay``, the mean of
the first quarter minus the mean of the last. Columns, one row per object: ``j`` and ``f`` (R, 3)
mean, recall and decay in [0, 1]; ``objects``: 1.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

BOUND = 0.008  # tolerance of a boundary, as a part of the image diagonal
GOOD = 0.5
BINS = 4
METRICS = ("J&F", "J", "J_recall", "J_decay", "F", "F_recall", "F_decay")


def region_similarity(gt: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """J of masks: (..., H, W) bool each, to (...)."""
    inter = (gt & pred).sum(axis=(-2, -1))
    union = (gt | pred).sum(axis=(-2, -1))
    return np.where(union == 0, 1.0, inter / np.maximum(union, 1))


def boundary(mask: np.ndarray) -> np.ndarray:
    """One-pixel boundary: where a pixel differs from its right, lower or diagonal neighbour.

    On the last row and column only the neighbour along the border counts.

    Args:
        mask: (H, W) bool.
    """
    edge = np.zeros_like(mask)
    right, below = mask[:, :-1] ^ mask[:, 1:], mask[:-1] ^ mask[1:]
    edge[:-1, :-1] = right[:-1] | below[:, :-1] | (mask[:-1, :-1] ^ mask[1:, 1:])
    edge[-1, :-1] = right[-1]
    edge[:-1, -1] = below[:, -1]
    return edge


def boundary_accuracy(gt: np.ndarray, pred: np.ndarray) -> float:
    """F of two masks (H, W) bool."""
    true, found = boundary(gt), boundary(pred)
    if not true.any() or not found.any():
        precision, recall = _one_empty(bool(true.any()), bool(found.any()))
    else:
        disk = _disk(int(np.ceil(BOUND * np.hypot(*gt.shape))))
        near_true, near_found = (cv2.dilate(e.view(np.uint8), disk) for e in (true, found))
        precision = (found & near_true.view(bool)).sum() / found.sum()
        recall = (true & near_found.view(bool)).sum() / true.sum()
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def _one_empty(true: bool, found: bool) -> tuple[float, float]:
    """Precision and recall where at least one boundary is empty."""
    if found:
        return 1.0, 0.0
    return (0.0, 1.0) if true else (1.0, 1.0)


def _disk(radius: int) -> np.ndarray:
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).astype(np.uint8)


def object_curves(gt: np.ndarray, pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J and F of one object over time: (T, H, W) bool each, to (T,), (T,)."""
    pairs = zip(gt, pred, strict=True)
    return region_similarity(gt, pred), np.array([boundary_accuracy(a, b) for a, b in pairs])


def curve_statistics(values: np.ndarray, eight_bits: bool = False) -> np.ndarray:
    """Mean, recall and decay of values over time: (T,) to (3,); NaN are frames not scored.

    Args:
        values: (T,).
        eight_bits: Hold the limits of the quarters in eight bits, as the published programs do:
            with more than 255 scored frames they wrap, and the decay means nothing.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return np.full(3, np.nan)
    edges = np.round(np.linspace(1, len(values), BINS + 1) + 1e-10).astype(int) - 1
    if eight_bits:
        edges %= 256
    first, last = (values[edges[k] : edges[k + 1] + 1] for k in (0, BINS - 1))
    decay = first.mean() - last.mean() if len(first) and len(last) else np.nan
    return np.array([values.mean(), (values > GOOD).mean(), decay])


def count_video(gt: np.ndarray, pred: np.ndarray, unsupervised: bool) -> dict[str, np.ndarray]:
    """Rows of the objects of one video.

    Args:
        gt: (N, T, H, W) bool, the objects.
        pred: (M, T, H, W) bool; semi-supervised M = N and the order is the same.
        unsupervised: Assign predictions to objects so that the sum of J and F is largest, and
            judge all frames; else leave out the first and the last frame.
    """
    if unsupervised:
        j, f = _assigned(gt, pred)
    else:
        inner = slice(1, -1)
        curves = [object_curves(a[inner], b[inner]) for a, b in zip(gt, pred, strict=True)]
        j, f = (np.array([curve[k] for curve in curves]) for k in (0, 1))
    return {
        "j": np.array([curve_statistics(row) for row in j]).reshape(-1, 3),
        "f": np.array([curve_statistics(row) for row in f]).reshape(-1, 3),
        "objects": np.ones(len(gt), dtype=np.int64),
    }


def _assigned(gt: np.ndarray, pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J and F (N, T) of the best assignment of predictions to objects; 0 without one."""
    j, f = np.zeros((2, len(gt), len(pred), gt.shape[1]))
    for a, b in np.ndindex(len(gt), len(pred)):
        j[a, b], f[a, b] = object_curves(gt[a], pred[b])
    rows, columns = linear_sum_assignment(-(j.mean(axis=2) + f.mean(axis=2)) / 2)
    best_j, best_f = np.zeros((2, *gt.shape[:2]))
    best_j[rows], best_f[rows] = j[rows, columns], f[rows, columns]
    return best_j, best_f


def empty_columns() -> dict[str, np.ndarray]:
    """The columns without rows."""
    empty = np.zeros((0, 3))
    return {"j": empty, "f": empty, "objects": np.zeros(0, dtype=np.int64)}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means over objects, in points."""
    objects = statistics.sums("objects", group, count, weights)
    j, f = (
        np.divide(
            100 * statistics.sums(name, group, count, weights),
            objects[:, None],
            out=np.full((count, 3), np.nan),
            where=objects[:, None] > 0,
        )
        for name in ("j", "f")
    )
    return dict(zip(METRICS, [(j[:, 0] + f[:, 0]) / 2, *j.T, *f.T], strict=True))


DAVIS = MetricFamily("davis", METRICS, rates)
