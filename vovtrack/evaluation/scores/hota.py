"""HOTA, Higher Order Tracking Accuracy.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021. One
matching per frame serves all localisation thresholds alpha = 0.05, 0.10, ..., 0.95.

Columns, per row and alpha (R, 19): ``hota_tp`` matched pairs with IoU >= alpha, ``hota_fn`` and
``hota_fp`` the boxes left over, ``hota_iou`` the sum of IoU of the matched pairs; ``hota_ass``
(R, 3, 19) is AssA, AssRe and AssPr of the row times ``hota_tp``.
"""

from __future__ import annotations

import numpy as np

from vovtrack.evaluation.scores.frames import VideoFrames
from vovtrack.evaluation.scores.matching import EPS, align, association, match
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

ALPHAS = np.arange(0.05, 0.99, 0.05)
METRICS = (
    "HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA", "HOTA0", "LocA0",
)  # fmt: skip
_TINY = 1e-10


def count_hota(video: VideoFrames) -> dict[str, np.ndarray]:
    """Count one video: one row of the columns of this module, without the row axis."""
    both = [frame for frame in video.frames if frame.iou.size]
    matches = match(both, align(both, video.gt_counts, video.dt_counts))
    cleared = matches.iou[:, None] >= ALPHAS - EPS
    tp = cleared.sum(axis=0)
    return {
        "hota_tp": tp,
        "hota_fn": int(video.gt_counts.sum()) - tp,
        "hota_fp": int(video.dt_counts.sum()) - tp,
        "hota_iou": (matches.iou[:, None] * cleared).sum(axis=0),
        "hota_ass": tp * association(matches, cleared, video.gt_counts, video.dt_counts),
    }


def empty_columns() -> dict[str, np.ndarray]:
    """The columns without rows."""
    counts = np.zeros((0, len(ALPHAS)), dtype=np.int64)
    columns = {name: counts for name in ("hota_tp", "hota_fn", "hota_fp")}
    sums = np.zeros((0, len(ALPHAS)))
    return columns | {"hota_iou": sums, "hota_ass": np.zeros((0, 3, len(ALPHAS)))}


def curves(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores in [0, 1] per group of rows and alpha: {metric: (count, 19)}."""
    tp, fn, fp, iou, ass = (
        statistics.sums(f"hota_{name}", group, count, weights)
        for name in ("tp", "fn", "fp", "iou", "ass")
    )
    ass = ass / np.maximum(1, tp)[:, None]
    found = {
        "DetA": tp / np.maximum(1, tp + fn + fp),
        "DetRe": tp / np.maximum(1, tp + fn),
        "DetPr": tp / np.maximum(1, tp + fp),
        "AssA": ass[:, 0],
        "AssRe": ass[:, 1],
        "AssPr": ass[:, 2],
        "LocA": np.maximum(_TINY, iou) / np.maximum(_TINY, tp),
    }
    found["HOTA"] = np.sqrt(found["DetA"] * found["AssA"])
    found["OWTA"] = np.sqrt(found["DetRe"] * found["AssA"])
    return found


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means over alpha in points, ``HOTA0`` and ``LocA0`` at 0.05; NaN without ground truth."""
    found = curves(statistics, group, count, weights)
    boxes = sum(
        statistics.sums(name, group, count, weights)[:, 0] for name in ("hota_tp", "hota_fn")
    )
    points = {metric: 100 * curve.mean(axis=1) for metric, curve in found.items()}
    points |= {"HOTA0": 100 * found["HOTA"][:, 0], "LocA0": 100 * found["LocA"][:, 0]}
    return {metric: np.where(boxes > 0, points[metric], np.nan) for metric in METRICS}


HOTA = MetricFamily("hota", METRICS, rates)
