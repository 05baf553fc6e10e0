"""TETA, the Track Every Thing Accuracy, on boxes in columns.

Li, Danelljan, Ding, Huang, Yu: "Tracking Every Thing in the Wild", ECCV 2022. TETA splits into
localisation, association and classification, each on local clusters around the ground truth of
one class, so that a missing annotation elsewhere punishes nobody.

Rows are per (video, class). With alpha one of the 20 thresholds 0, 0.05, ..., 0.95 of IoU:

* ``loc_tp``, ``loc_fn``, ``loc_fp`` (R, 20): matched boxes, missed boxes of the class, and boxes
  that overlap the class by 0.5 and match nothing;
* ``cls_tp``, ``cls_fn``, ``cls_fp`` (R, 10), for alpha from 0.5 on: matched boxes with the right
  and with a wrong class, and matched boxes of other classes that were called this class;
* ``assoc`` (R, 3, 20): association accuracy, recall and precision times ``loc_tp``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable, dense
from vovtrack.evaluation.scores.matching import (
    EPS,
    Frame,
    Matches,
    align,
    association,
    box_iou,
    match,
)
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics, from_videos

LOC_ALPHAS = np.arange(20) * 0.05
CLS_START = 10  # from this threshold on (0.5) a match also counts for classification
OVERLAP = 0.5  # IoU that makes a prediction part of a cluster
METRICS = (
    "TETA", "LocA", "AssocA", "ClsA", "LocRe", "LocPr", "AssocRe", "AssocPr", "ClsRe", "ClsPr",
)  # fmt: skip


def curves(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores in [0, 1] per group of rows and threshold: {metric: (count, 20)}.

    Every denominator is at least 1. Classification has one value per group, repeated.
    """
    sums = {name: statistics.sums(name, group, count, weights) for name in statistics.columns}
    tp, fn, fp = sums["loc_tp"], sums["loc_fn"], sums["loc_fp"]
    found = {"LocA": _ratio(tp, fn + fp), "LocRe": _ratio(tp, fn), "LocPr": _ratio(tp, fp)}
    assoc = sums["assoc"] / np.maximum(1, tp)[:, None]
    found |= {"AssocA": assoc[:, 0], "AssocRe": assoc[:, 1], "AssocPr": assoc[:, 2]}
    cls_tp, cls_fn, cls_fp = sums["cls_tp"], sums["cls_fn"], sums["cls_fp"]
    for name, misses in (("ClsA", cls_fn + cls_fp), ("ClsRe", cls_fn), ("ClsPr", cls_fp)):
        mean = _ratio(cls_tp, misses).mean(axis=1, keepdims=True)
        found[name] = np.broadcast_to(mean, tp.shape)
    found["TETA"] = (found["LocA"] + found["AssocA"] + found["ClsA"]) / 3
    return {metric: found[metric] for metric in METRICS}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Every metric per group in points, the mean over thresholds; NaN without ground truth."""
    boxes = sum(statistics.sums(name, group, count, weights)[:, 0] for name in ("loc_tp", "loc_fn"))
    return {
        metric: np.where(boxes > 0, 100 * curve.mean(axis=1), np.nan)
        for metric, curve in curves(statistics, group, count, weights).items()
    }


TETA = MetricFamily("teta", METRICS, rates)


def teta(
    gt: BoxTable,
    dt: BoxTable,
    category_ids: np.ndarray,
    names: tuple[str, ...],
    novel: np.ndarray | None = None,
) -> Statistics:
    """Count a dataset for TETA (the published "TETA50" form); ``TETA`` scores the result.

    Only frames with ground truth count; predictions elsewhere are dropped. Classes without ground
    truth are left out.

    Args:
        gt: Ground truth.
        dt: Predictions; a track may change its category from box to box.
        category_ids: (C,) ids of all classes, in file order.
        names: C class names.
        novel: (C,) bool, or None.
    """
    present = np.isin(category_ids, gt.categories)
    kept = np.asarray(category_ids)[present]
    gt, dt = gt.sorted(), dt.sorted()
    videos = np.unique(gt.videos).tolist()
    return from_videos(
        TETA.name,
        tuple(str(video) for video in videos),
        tuple(np.asarray(names, dtype=object)[present]),
        None if novel is None else np.asarray(novel)[present],
        [count_video(gt.video(video), dt.video(video), kept) for video in videos],
        empty_columns(0),
    )


def count_video(
    gt: BoxTable, dt: BoxTable, category_ids: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Count one video.

    Args:
        gt: Ground truth of the video, sorted by time.
        dt: Predictions of the video, sorted by time.
        category_ids: (C,) ids of the evaluated classes: those with ground truth in the dataset.

    Returns:
        (R,) position of each row's class in ``category_ids``, and the columns.
    """
    cells = Cells.of(category_ids, gt, dt)
    video = pair_up(gt, dt.select(np.isin(dt.times, gt.times)))
    owned = owned_class(video)
    for category in np.unique(gt.categories):
        add_cluster(cells, video, owned, int(category))
    return cells.rows()


@dataclass(frozen=True)
class Cells:
    """Counters of one video while it is counted, one row per class that occurs in it.

    Attributes:
        labels: (K,) position of the class among the evaluated ones.
        position: Row of each category id.
        columns: The columns of the module, all zero at first.
    """

    labels: np.ndarray
    position: dict[int, int]
    columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, category_ids: np.ndarray, gt: BoxTable, dt: BoxTable) -> Cells:
        """Start with zeros for the evaluated classes that occur in the video."""
        occurring = np.union1d(gt.categories, dt.categories)
        labels = np.flatnonzero(np.isin(category_ids, occurring))
        position = {int(c): k for k, c in enumerate(np.asarray(category_ids)[labels])}
        return cls(labels, position, empty_columns(len(labels)))

    def rows(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the labels and columns of the classes for which anything was counted."""
        counted = np.zeros(len(self.labels), dtype=bool)
        for name in ("loc_tp", "loc_fn", "cls_fp"):
            counted |= self.columns[name].any(axis=1)
        return self.labels[counted], {k: v[counted] for k, v in self.columns.items()}


def empty_columns(count: int) -> dict[str, np.ndarray]:
    """``count`` rows of zeros."""
    loc, levels = len(LOC_ALPHAS), len(LOC_ALPHAS) - CLS_START
    widths = dict(loc_tp=loc, loc_fn=loc, loc_fp=loc, cls_tp=levels, cls_fn=levels, cls_fp=levels)
    columns = {name: np.zeros((count, width), dtype=np.int64) for name, width in widths.items()}
    return columns | {"assoc": np.zeros((count, 3, loc))}


@dataclass(frozen=True)
class VideoPairs:
    """One video; predictions only in frames that have ground truth.

    ``pair_gt``, ``pair_dt`` and ``pair_iou`` list every (ground truth, prediction) pair that
    shares a frame, frame by frame, row-major inside a frame.
    """

    gt: BoxTable
    dt: BoxTable
    pair_gt: np.ndarray
    pair_dt: np.ndarray
    pair_iou: np.ndarray


def pair_up(gt: BoxTable, dt: BoxTable) -> VideoPairs:
    """Pair all ground truth with all predictions frame by frame; both sorted by time."""
    first = np.searchsorted(dt.times, gt.times)
    counts = np.searchsorted(dt.times, gt.times, side="right") - first
    pair_gt = np.repeat(np.arange(len(gt)), counts)
    offset = np.arange(len(pair_gt)) - np.repeat(np.cumsum(counts) - counts, counts)
    pair_dt = np.repeat(first, counts) + offset
    return VideoPairs(gt, dt, pair_gt, pair_dt, box_iou(gt.bboxes[pair_gt], dt.bboxes[pair_dt]))


def _cluster_matches(
    video: VideoPairs, gt_rows: np.ndarray, dt_rows: np.ndarray
) -> tuple[Matches, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Align and match some ground truth with some predictions of a video.

    Args:
        video: The video.
        gt_rows: Row numbers of ground truth, ascending.
        dt_rows: Row numbers of predictions, ascending.

    Returns:
        The matches, for each match its row in ``video.gt`` and in ``video.dt``, and the number of
        boxes per ground-truth and per predicted track.
    """
    gt_ids, gt_counts = dense(video.gt.tracks[gt_rows])
    dt_ids, dt_counts = dense(video.dt.tracks[dt_rows])
    times: np.ndarray
    times, starts = np.unique(video.gt.times[gt_rows], return_index=True)
    stops = np.append(starts[1:], len(gt_rows))
    begins = np.searchsorted(video.dt.times[dt_rows], times)
    ends = np.searchsorted(video.dt.times[dt_rows], times, side="right")
    gt_kept = np.zeros(len(video.gt), dtype=bool)
    dt_kept = np.zeros(len(video.dt), dtype=bool)
    gt_kept[gt_rows], dt_kept[dt_rows] = True, True
    iou = video.pair_iou[gt_kept[video.pair_gt] & dt_kept[video.pair_dt]]
    frames, at = [], 0
    for start, stop, begin, end in zip(starts, stops, begins, ends, strict=True):
        shape = (stop - start, end - begin)
        block = iou[at : at + shape[0] * shape[1]].reshape(shape)
        at += block.size
        frames.append(Frame(gt_ids[start:stop], dt_ids[begin:end], np.asfortranarray(block)))
    matches = match(frames, align(frames, gt_counts, dt_counts))
    rows = gt_rows[starts[matches.frame] + matches.row]
    columns = dt_rows[begins[matches.frame] + matches.column]
    return matches, rows, columns, gt_counts, dt_counts


def owners(video: VideoPairs) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ground truth and of the predictions that own them: (n,), (n,).

    A class-agnostic matching among the tracks that overlap anything by 0.5 anywhere in the video.
    """
    near = np.unique(video.dt.tracks[video.pair_dt[video.pair_iou >= OVERLAP]])
    if not len(near):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    dt_rows = np.flatnonzero(np.isin(video.dt.tracks, near))
    matches, rows, columns, *_ = _cluster_matches(video, np.arange(len(video.gt)), dt_rows)
    owner = matches.iou >= OVERLAP - EPS
    return rows[owner], columns[owner]


def owned_class(video: VideoPairs) -> np.ndarray:
    """Category of the ground truth that each predicted box owns, -1 for none: (len(dt),)."""
    owned = np.full(len(video.dt), -1, dtype=np.int64)
    rows, columns = owners(video)
    owned[columns] = video.gt.categories[rows]
    return owned


def cluster_boxes(video: VideoPairs, owned: np.ndarray, category: int) -> np.ndarray:
    """Predictions that overlap the class by 0.5 and own nothing of another: (len(dt),) bool."""
    overlapping = np.zeros(len(video.dt), dtype=bool)
    of_class = video.gt.categories == category
    close = (video.pair_iou >= OVERLAP) & of_class[video.pair_gt]
    overlapping[video.pair_dt[close]] = True
    return overlapping & ((owned == -1) | (owned == category))


def add_cluster(cells: Cells, video: VideoPairs, owned: np.ndarray, category: int) -> None:
    """Add the cluster of one class in one video to the counters."""
    k = cells.position[category]
    gt_rows = np.flatnonzero(video.gt.categories == category)
    overlapping = cluster_boxes(video, owned, category)
    if not overlapping.any():
        cells.columns["loc_fn"][k] += len(gt_rows)
        return
    members = np.isin(video.dt.tracks, np.unique(video.dt.tracks[overlapping]))
    matches, _, columns, gt_counts, dt_counts = _cluster_matches(
        video, gt_rows, np.flatnonzero(members)
    )
    cleared = matches.iou[:, None] >= LOC_ALPHAS - EPS
    tp = cleared.sum(axis=0)
    cells.columns["loc_tp"][k] += tp
    cells.columns["loc_fn"][k] += len(gt_rows) - tp
    cells.columns["loc_fp"][k] += overlapping.sum() - cleared[overlapping[columns]].sum(axis=0)
    cells.columns["assoc"][k] += tp * association(matches, cleared, gt_counts, dt_counts)
    _add_classification(cells, category, video.dt.categories[columns], cleared[:, CLS_START:])


def _add_classification(
    cells: Cells, category: int, predicted: np.ndarray, cleared: np.ndarray
) -> None:
    """Count matched boxes of one class by the class they were given."""
    k = cells.position[category]
    right = predicted == category
    cells.columns["cls_tp"][k] += cleared[right].sum(axis=0)
    cells.columns["cls_fn"][k] += cleared[~right].sum(axis=0)
    for row in np.flatnonzero(~right):
        wrong = cells.position.get(int(predicted[row]))
        if wrong is not None:
            cells.columns["cls_fp"][wrong] += cleared[row]


def _ratio(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    return hits / np.maximum(1, hits + misses)
