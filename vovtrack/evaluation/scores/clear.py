"""The CLEAR MOT metrics at IoU 0.5, with the conventions of TrackEval.

Bernardin, Stiefelhagen: "Evaluating Multiple Object Tracking Performance", 2008. Columns, one
number per row: ``tp``, ``fn``, ``fp`` boxes; ``idsw`` matches with another track than the last
match of the object, however long ago; ``frag`` times an object becomes tracked again; ``mt``,
``pt``, ``ml`` objects tracked in more than 80 %, in between, and in less than 20 % of their
frames; ``iou`` the sum of IoU of the matches; ``frames`` the length of the video.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.evaluation.scores.frames import VideoFrames
from vovtrack.evaluation.scores.matching import EPS
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

THRESHOLD = 0.5
COLUMNS = ("tp", "fn", "fp", "idsw", "frag", "mt", "pt", "ml", "frames", "iou")
TOTALS = {
    "IDSW": "idsw", "FP": "fp", "FN": "fn", "TP": "tp", "Frag": "frag", "MT": "mt", "PT": "pt",
    "ML": "ml",
}  # fmt: skip
METRICS = ("MOTA", "MOTP", "MODA", "sMOTA", "MOTAL", "Re", "Pr", "F1", *TOTALS)
_CONTINUE = 1000  # preference for the pairs of the previous frame over any overlap


def count_clear(video: VideoFrames, num_frames: int) -> dict[str, float]:
    """Count one video: {column: number}.

    Args:
        video: Its frames.
        num_frames: Its length.
    """
    total_gt, total_dt = int(video.gt_counts.sum()), int(video.dt_counts.sum())
    objects = len(video.gt_counts)
    if not total_gt or not total_dt:
        counts: dict[str, float] = dict.fromkeys(COLUMNS, 0)
        return counts | {"fn": total_gt, "fp": total_dt, "ml": objects}
    last = np.full(objects, -1)  # track of the last match, ever
    recent = np.full(objects, -1)  # track of the match in the last frame with both sides
    tracked = np.zeros(objects, dtype=np.int64)
    starts = np.zeros(objects, dtype=np.int64)
    tp = idsw = 0
    iou = 0.0
    for frame in video.frames:
        if not frame.iou.size:
            continue
        close = frame.iou >= THRESHOLD - EPS
        kept = frame.dt == recent[frame.gt][:, None]
        scores = np.where(close, _CONTINUE * kept + frame.iou, 0)
        rows, columns = linear_sum_assignment(-scores)
        good = scores[rows, columns] > EPS
        rows, columns = rows[good], columns[good]
        gt, dt = frame.gt[rows], frame.dt[columns]
        idsw += int(((last[gt] >= 0) & (last[gt] != dt)).sum())
        starts[gt] += recent[gt] < 0
        tracked[gt] += 1
        last[gt] = dt
        recent[:] = -1
        recent[gt] = dt
        tp += len(gt)
        iou += float(frame.iou[rows, columns].sum())
    ratio = tracked / video.gt_counts
    mt, ml = int((ratio > 0.8).sum()), int((ratio < 0.2).sum())
    return {
        "tp": tp,
        "fn": total_gt - tp,
        "fp": total_dt - tp,
        "idsw": idsw,
        "frag": int((starts[starts > 0] - 1).sum()),
        "mt": mt,
        "pt": objects - mt - ml,
        "ml": ml,
        "frames": num_frames,
        "iou": iou,
    }


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores in points, NaN without ground truth, and counts."""
    sums = {name: statistics.sums(name, group, count, weights) for name in COLUMNS}
    tp, fn, fp, idsw, iou = (sums[name] for name in ("tp", "fn", "fp", "idsw", "iou"))
    boxes = np.maximum(1, tp + fn)
    scores = {
        "MOTA": (tp - fp - idsw) / boxes,
        "MOTP": iou / np.maximum(1, tp),
        "MODA": (tp - fp) / boxes,
        "sMOTA": (iou - fp - idsw) / boxes,
        "MOTAL": (tp - fp - np.log10(np.maximum(1, idsw))) / boxes,
        "Re": tp / boxes,
        "Pr": tp / np.maximum(1, tp + fp),
        "F1": tp / np.maximum(1, tp + (fn + fp) / 2),
    }
    points = {name: np.where(tp + fn > 0, 100 * score, np.nan) for name, score in scores.items()}
    return points | {metric: sums[column] for metric, column in TOTALS.items()}


CLEAR = MetricFamily("clear", METRICS, rates, totals=frozenset(TOTALS))
