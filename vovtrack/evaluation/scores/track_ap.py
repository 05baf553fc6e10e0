"""Average precision of whole tracks, as the TAO toolkit computes it.

Dave et al., "TAO: A Large-Scale Benchmark for Tracking Any Object", ECCV 2020; 3D IoU follows
Yang, Fan, Xu, "Video Instance Segmentation", ICCV 2019: with I the sum of intersections of two
tracks over all images and A, B the sums of their box areas, IoU = I / (A + B - I).

Annotation is federated: of a class that is neither annotated in a video nor listed as absent there
(``negative``), predictions are dropped; of one that is not annotated everywhere
(``not_exhaustive``), unmatched predictions are ignored.

Rows are tracks, predicted and annotated. Ranges are all; small, medium, large by mean box area;
short, medium, long by number of boxes. Columns: ``truth`` (R,) 1 for annotated tracks; ``score``
(R,) mean of the box scores, 1 for annotated tracks; ``hit`` (R, 7, T) matched, by range and
threshold; ``ignored`` (R, 7, T) neither right nor wrong. Tracks are numbered from 1 inside, since
the published toolkit takes number 0 for "not matched".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

EPS = float(np.spacing(1))
THRESHOLDS = (0.5, 0.75)
COCO_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
RECALLS = np.linspace(0, 1, 101)
MAX_BOXES = 300  # per image
AREAS = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))
LENGTHS = ((0, 1e5), (0, 3), (3, 10), (10, 1e5))
RANGES = ("", "s", "m", "l", "-short", "-medium", "-long")


@dataclass(frozen=True)
class Federation:
    """What is known of the annotation of one video.

    Attributes:
        areas: (N,) the ``area`` of each ground-truth box.
        negative: Category ids that do not occur in the video.
        not_exhaustive: Category ids that are not annotated everywhere.
    """

    areas: np.ndarray
    negative: frozenset[int]
    not_exhaustive: frozenset[int]


@dataclass(frozen=True)
class _Tracks:
    """Tracks of one class in one video, n of them, m boxes.

    ``number`` (m,) is the track of each box, ``boxes`` their table; the rest is per track.
    """

    number: np.ndarray
    boxes: BoxTable
    areas: np.ndarray
    lengths: np.ndarray
    scores: np.ndarray


def count_video(
    gt: BoxTable,
    dt: BoxTable,
    category_ids: np.ndarray,
    federation: Federation,
    thresholds: tuple[float, ...] = THRESHOLDS,
    kind: str = "3d_iou",
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Count one video.

    Args:
        gt: Ground truth of the video, sorted by time.
        dt: Predictions of the video, sorted by time; one category per track.
        category_ids: (C,) ids of all classes.
        federation: What is known of the annotation.
        thresholds: T IoU thresholds.
        kind: ``3d_iou``; ``avg_iou``, the mean of the IoU of all images; ``imagenetvid``, the part
            of the images in which the intersection is more than half of the union.

    Returns:
        (R,) position of each row's class in ``category_ids``, and the columns.
    """
    sized = federation.areas > 0
    gt, areas = gt.select(sized), federation.areas[sized]
    dt = dt.select(dt.bboxes[:, 2:].prod(axis=1) > 0)
    dt = dt.select(_highest(dt))
    present = np.unique(gt.categories)
    judged = np.union1d(present, np.intersect1d(list(federation.negative), dt.categories))
    position = {int(category): k for k, category in enumerate(category_ids)}
    pieces = [empty_rows(len(thresholds))]
    for category in judged.astype(np.int64).tolist():
        if category not in position:
            continue
        rows, kept = gt.categories == category, dt.categories == category
        true = _tracks(gt.select(rows), areas[rows])
        found = _tracks(dt.select(kept), dt.bboxes[kept, 2:].prod(axis=1))
        ignore_rest = category in federation.not_exhaustive
        pieces.append(_count_class(position[category], true, found, ignore_rest, thresholds, kind))
    labels = np.concatenate([labels for labels, _ in pieces])
    return labels, {
        name: np.concatenate([columns[name] for _, columns in pieces]) for name in pieces[0][1]
    }


def empty_rows(num_thresholds: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels and columns without rows."""
    flags = np.zeros((0, len(RANGES), num_thresholds), dtype=bool)
    columns = {"truth": np.zeros(0, dtype=np.int64), "score": np.zeros(0)}
    return np.zeros(0, dtype=np.int64), columns | {"hit": flags, "ignored": flags}


def _highest(dt: BoxTable) -> np.ndarray:
    """Rows of the highest scores of each image, in the order of the table."""
    order = np.lexsort((-dt.scores, dt.times))
    times = dt.times[order]
    rank = np.arange(len(order)) - np.searchsorted(times, times)
    return np.sort(order[rank < MAX_BOXES])


def _tracks(boxes: BoxTable, areas: np.ndarray) -> _Tracks:
    """Number tracks by their first box."""
    _, first, number = np.unique(boxes.tracks, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    number = rank[number.ravel()] if len(boxes) else np.zeros(0, dtype=np.int64)
    lengths = np.bincount(number, minlength=len(first))
    total = np.bincount(number, weights=areas, minlength=len(first))
    scores = np.bincount(number, weights=boxes.scores, minlength=len(first)) / lengths
    own = boxes.scores[np.sort(first)]
    differ = np.bincount(number, weights=boxes.scores != own[number], minlength=len(first)) > 0
    # The mean of equal scores may differ from them in the last digit and lose a tie.
    scores = np.where(differ, scores, own)
    return _Tracks(number, boxes, total / lengths, lengths, scores)


def _count_class(
    label: int,
    true: _Tracks,
    found: _Tracks,
    ignore_rest: bool,
    thresholds: tuple[float, ...],
    kind: str,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    order = np.argsort(-found.scores, kind="stable")
    iou = _track_iou(true, found, kind)[order]
    shape = (len(RANGES), len(thresholds))
    hit = np.zeros((len(order), *shape), dtype=bool)
    ignored = np.zeros((len(order), *shape), dtype=bool)
    outside_gt, outside_dt = _outside(true), _outside(found)[order]
    for r in range(len(RANGES)):
        for t, threshold in enumerate(thresholds):
            matched = _match(iou, outside_gt[:, r], threshold)
            got = matched >= 0
            hit[:, r, t] = got
            ignored[:, r, t] = np.where(
                got,
                outside_gt[matched, r] if len(outside_gt) else False,
                outside_dt[:, r] | ignore_rest,
            )
    truth = np.broadcast_to(outside_gt[:, :, None], (len(outside_gt), *shape))
    columns = {
        "truth": np.repeat([1, 0], [len(truth), len(order)]),
        "score": np.concatenate([np.ones(len(truth)), found.scores[order]]),
        "hit": np.concatenate([np.zeros_like(truth), hit]),
        "ignored": np.concatenate([truth, ignored]),
    }
    return np.full(len(columns["truth"]), label), columns


def _outside(tracks: _Tracks) -> np.ndarray:
    """Tracks outside of each range: (n, 7) bool; both ends belong to a range."""
    ranges = [(tracks.areas, low, high) for low, high in AREAS]
    ranges += [(tracks.lengths, low, high) for low, high in LENGTHS[1:]]
    return np.stack([(values < low) | (values > high) for values, low, high in ranges], axis=1)


def _track_iou(true: _Tracks, found: _Tracks, kind: str) -> np.ndarray:
    """IoU of all predicted with all annotated tracks: (D, G)."""
    shape = (len(found.scores), len(true.scores))
    at = np.searchsorted(found.boxes.times, true.boxes.times)
    counts = np.searchsorted(found.boxes.times, true.boxes.times, side="right") - at
    g = np.repeat(np.arange(len(true.boxes)), counts)
    offset = np.arange(len(g)) - np.repeat(np.cumsum(counts) - counts, counts)
    d = np.repeat(at, counts) + offset
    code = found.number[d] * shape[1] + true.number[g]
    inter = _intersection(found.boxes.bboxes[d], true.boxes.bboxes[g])
    areas = [side.boxes.bboxes[:, 2:].prod(axis=1) for side in (found, true)]
    union = areas[0][d] + areas[1][g] - inter
    add = partial(np.bincount, code, minlength=shape[0] * shape[1])
    if kind == "3d_iou":
        sums = [
            np.bincount(side.number, weights=area, minlength=n)
            for side, area, n in zip((found, true), areas, shape, strict=True)
        ]
        above = add(weights=inter).reshape(shape)
        below = sums[0][:, None] + sums[1][None] - above
    else:
        frame_iou = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
        score = frame_iou if kind == "avg_iou" else (inter > 0.5 * union).astype(np.float64)
        above = add(weights=score).reshape(shape)
        below = found.lengths[:, None] + true.lengths[None] - add().reshape(shape)
    return np.divide(above, below, out=np.zeros(shape), where=below > 0)


def _intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    return np.maximum(high - low, 0).prod(axis=1)


def _match(iou: np.ndarray, ignored: np.ndarray, threshold: float) -> np.ndarray:
    """Give each prediction, best first, the free ground truth of largest IoU: (D,), -1 for none.

    Ground truth that counts comes before ignored; of equal IoU the later one is taken.
    """
    matched = np.full(len(iou), -1)
    threshold = min(threshold, 1 - 1e-10)
    order = np.argsort(ignored, kind="stable")
    free = np.ones(iou.shape[1], dtype=bool)
    for d in np.flatnonzero((iou >= threshold).any(axis=1)):
        best, taken = threshold, -1
        for g in order:
            if not free[g]:
                continue
            if taken >= 0 and not ignored[taken] and ignored[g]:
                break
            if iou[d, g] >= best:
                best, taken = iou[d, g], g
        if taken >= 0:
            matched[d], free[taken] = taken, False
    return matched


def rates(
    statistics: Statistics,
    group: np.ndarray,
    count: int,
    weights: np.ndarray,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> dict[str, np.ndarray]:
    """AP and AR in points per group; NaN where the group has no track that counts."""
    precision = np.full((count, len(RANGES), len(thresholds)), np.nan)
    recall = np.full_like(precision, np.nan)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(count + 1))
    for k in range(count):
        rows = order[bounds[k] : bounds[k + 1]]
        precision[k], recall[k] = _curve(statistics, rows, weights[rows])
    found = {}
    for name, values in (("TrackAP", precision), ("TrackAR", recall)):
        means = 100 * values.mean(axis=2)
        found[name] = means[:, 0]
        if name == "TrackAP":
            for wanted in THRESHOLDS:
                column = 100 * values[:, 0, thresholds.index(wanted)]
                found[f"TrackAP{100 * wanted:.0f}"] = column
        found |= {f"{name}{word}": means[:, r] for r, word in enumerate(RANGES) if r}
    return {metric: found[metric] for metric in METRICS}


def _curve(
    statistics: Statistics, rows: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and final recall of one class: (7, T) each."""
    columns = statistics.columns
    truth = columns["truth"][rows] == 1
    counted = (weights[truth, None, None] * ~columns["ignored"][rows[truth]]).sum(axis=0)
    order = np.argsort(-columns["score"][rows[~truth]], kind="stable")
    dt, weight = rows[~truth][order], weights[~truth][order][:, None, None]
    hit, kept = columns["hit"][dt], ~columns["ignored"][dt]
    tp = np.cumsum(weight * (hit & kept), axis=0)
    fp = np.cumsum(weight * (~hit & kept), axis=0)
    average, final = np.full(counted.shape, np.nan), np.full(counted.shape, np.nan)
    for r, t in zip(*np.nonzero(counted), strict=True):
        recall = tp[:, r, t] / counted[r, t]
        precision = tp[:, r, t] / (tp[:, r, t] + fp[:, r, t] + EPS)
        precision = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
        average[r, t] = precision[np.searchsorted(recall, RECALLS)].mean()
        final[r, t] = recall[-1] if len(recall) else 0
    return average, final


METRICS = (
    "TrackAP", "TrackAP50", "TrackAP75", *(f"TrackAP{word}" for word in RANGES[1:]),
    "TrackAR", *(f"TrackAR{word}" for word in RANGES[1:]),
)  # fmt: skip
TRACK_AP = MetricFamily("track_ap", METRICS, rates)
TRACK_AP_COCO = MetricFamily("track_ap_coco", METRICS, partial(rates, thresholds=COCO_THRESHOLDS))
