"""TETA, the Track Every Thing Accuracy, on boxes in columns.

Li, Danelljan, Ding, Huang, Yu: "Tracking Every Thing in the Wild", ECCV 2022. TETA splits into
localisation, association and classification, each on local clusters around the ground truth of
one class, so that a missing annotation elsewhere punishes nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vovtrack.evaluation.alignment import EPS, Frame, Matches, align, association, box_iou, match
from vovtrack.evaluation.boxes import BoxTable, dense

LOC_ALPHAS = np.arange(20) * 0.05  # localisation thresholds 0, 0.05, ..., 0.95
CLS_START = 10  # from this threshold on (0.5) a match also counts for classification
OVERLAP = 0.5  # IoU that makes a prediction part of a cluster
COLUMNS = (
    "TETA", "LocA", "AssocA", "ClsA", "LocRe", "LocPr", "AssocRe", "AssocPr", "ClsRe", "ClsPr",
)  # fmt: skip
_COUNTERS = ("loc_tp", "loc_fn", "loc_fp", "cls_tp", "cls_fn", "cls_fp")


@dataclass(frozen=True)
class TetaResult:
    """Counters and association scores of every class, before any averaging over classes.

    Attributes:
        category_ids: (C,) ids of the evaluated classes: those with ground truth.
        names: C class names.
        novel: (C,) bool.
        loc_tp, loc_fn, loc_fp: (C, 20) int64 per localisation threshold.
        cls_tp, cls_fn, cls_fp: (C, 10) int64 per threshold from 0.5 on.
        assoc: (3, C, 20) AssocA, AssocRe, AssocPr.
    """

    category_ids: np.ndarray
    names: tuple[str, ...]
    novel: np.ndarray
    loc_tp: np.ndarray
    loc_fn: np.ndarray
    loc_fp: np.ndarray
    cls_tp: np.ndarray
    cls_fn: np.ndarray
    cls_fp: np.ndarray
    assoc: np.ndarray

    def curves(self) -> dict[str, np.ndarray]:
        """Scores in [0, 1] per class and threshold: {column of ``COLUMNS``: (C, 20)}.

        Classification has one value per class, repeated.
        """
        curves = dict(zip(("AssocA", "AssocRe", "AssocPr"), self.assoc, strict=True))
        tp, fn, fp = self.loc_tp, self.loc_fn, self.loc_fp
        curves |= {"LocA": _ratio(tp, fn + fp), "LocRe": _ratio(tp, fn), "LocPr": _ratio(tp, fp)}
        tp, fn, fp = self.cls_tp, self.cls_fn, self.cls_fp
        for name, misses in (("ClsA", fn + fp), ("ClsRe", fn), ("ClsPr", fp)):
            mean = _ratio(tp, misses).mean(axis=1, keepdims=True)
            curves[name] = np.broadcast_to(mean, self.loc_tp.shape)
        curves["TETA"] = (curves["LocA"] + curves["AssocA"] + curves["ClsA"]) / 3
        return {column: curves[column] for column in COLUMNS}

    def per_class(self) -> np.ndarray:
        """Scores of every class in points: (C, 10), columns as in ``COLUMNS``."""
        return np.stack([100 * curve.mean(axis=1) for curve in self.curves().values()], axis=1)

    def summary(self, group: str = "all", rounded: bool = False) -> dict[str, float] | None:
        """Mean over classes, in points 0 to 100.

        Args:
            group: ``"all"``, ``"base"`` or ``"novel"`` classes.
            rounded: Round every class to five significant digits before averaging, as the
                published base and novel tables do.

        Returns:
            {column of ``COLUMNS``: points}; None if no class of the group has ground truth.
        """
        rows = {"all": np.ones_like(self.novel), "base": ~self.novel, "novel": self.novel}[group]
        if not rows.any():
            return None
        points = self.per_class()[rows]
        if rounded:
            points = np.array([[float(f"{value:.5g}") for value in row] for row in points])
        return dict(zip(COLUMNS, points.mean(axis=0).tolist(), strict=True))


def teta(
    gt: BoxTable,
    dt: BoxTable,
    category_ids: np.ndarray,
    names: tuple[str, ...],
    novel: np.ndarray,
) -> TetaResult:
    """Compute TETA (the published "TETA50" form) of a data set.

    Only frames with ground truth count; predictions elsewhere are dropped. Classes without ground
    truth are left out.

    Args:
        gt: Ground truth.
        dt: Predictions; a track may change its category from box to box.
        category_ids: (C,) ids of all classes, in file order.
        names: C class names.
        novel: (C,) bool.
    """
    present = np.isin(category_ids, gt.categories)
    counters = _Counters.of(np.asarray(category_ids)[present])
    gt, dt = gt.sorted(), dt.sorted()
    for video in np.unique(gt.videos):
        first, last = np.searchsorted(gt.videos, [video, video + 1])
        begin, end = np.searchsorted(dt.videos, [video, video + 1])
        _add_video(counters, gt.select(slice(first, last)), dt.select(slice(begin, end)))
    return TetaResult(
        category_ids=counters.category_ids,
        names=tuple(name for name, kept in zip(names, present, strict=True) if kept),
        novel=np.asarray(novel)[present],
        assoc=counters.assoc / np.maximum(1, counters.loc_tp),
        **{name: getattr(counters, name) for name in _COUNTERS},
    )


@dataclass
class _Counters:
    """Sums over videos; ``assoc`` is weighted by the true positives of each video."""

    category_ids: np.ndarray
    loc_tp: np.ndarray
    loc_fn: np.ndarray
    loc_fp: np.ndarray
    cls_tp: np.ndarray
    cls_fn: np.ndarray
    cls_fp: np.ndarray
    assoc: np.ndarray
    position: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.position = {int(c): k for k, c in enumerate(self.category_ids)}

    @classmethod
    def of(cls, category_ids: np.ndarray) -> _Counters:
        """All zero, for the given classes."""
        loc, levels = len(LOC_ALPHAS), len(LOC_ALPHAS) - CLS_START
        widths = (loc, loc, loc, levels, levels, levels)
        counts = [np.zeros((len(category_ids), width), dtype=np.int64) for width in widths]
        return cls(category_ids, *counts, assoc=np.zeros((3, len(category_ids), loc)))


@dataclass(frozen=True)
class _Video:
    """One video; predictions only in frames that have ground truth.

    ``pair_gt``, ``pair_dt`` and ``pair_iou`` list every (ground truth, prediction) pair that
    shares a frame, frame by frame, row-major inside a frame.
    """

    gt: BoxTable
    dt: BoxTable
    pair_gt: np.ndarray
    pair_dt: np.ndarray
    pair_iou: np.ndarray


def _add_video(counters: _Counters, gt: BoxTable, dt: BoxTable) -> None:
    video = _pair_up(gt, dt.select(np.isin(dt.times, gt.times)))
    owned = _owned_class(video)
    for category in np.unique(gt.categories):
        _add_cluster(counters, video, owned, int(category))


def _pair_up(gt: BoxTable, dt: BoxTable) -> _Video:
    first = np.searchsorted(dt.times, gt.times)
    counts = np.searchsorted(dt.times, gt.times, side="right") - first
    pair_gt = np.repeat(np.arange(len(gt)), counts)
    offset = np.arange(len(pair_gt)) - np.repeat(np.cumsum(counts) - counts, counts)
    pair_dt = np.repeat(first, counts) + offset
    return _Video(gt, dt, pair_gt, pair_dt, box_iou(gt.bboxes[pair_gt], dt.bboxes[pair_dt]))


def _cluster_matches(
    video: _Video, gt_rows: np.ndarray, dt_rows: np.ndarray
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


def _owned_class(video: _Video) -> np.ndarray:
    """Category of the ground truth that each predicted box owns, -1 for none: (len(dt),).

    Owners are the pairs of a class-agnostic matching among the tracks that overlap anything.
    """
    owned = np.full(len(video.dt), -1, dtype=np.int64)
    near = np.unique(video.dt.tracks[video.pair_dt[video.pair_iou >= OVERLAP]])
    if len(near):
        dt_rows = np.flatnonzero(np.isin(video.dt.tracks, near))
        matches, rows, columns, *_ = _cluster_matches(video, np.arange(len(video.gt)), dt_rows)
        owner = matches.iou >= OVERLAP - EPS
        owned[columns[owner]] = video.gt.categories[rows[owner]]
    return owned


def _add_cluster(counters: _Counters, video: _Video, owned: np.ndarray, category: int) -> None:
    """Add the cluster of one class in one video to the counters."""
    k = counters.position[category]
    of_class = video.gt.categories == category
    gt_rows = np.flatnonzero(of_class)
    overlapping = np.zeros(len(video.dt), dtype=bool)
    close = (video.pair_iou >= OVERLAP) & of_class[video.pair_gt]
    overlapping[video.pair_dt[close]] = True
    overlapping &= (owned == -1) | (owned == category)
    if not overlapping.any():
        counters.loc_fn[k] += len(gt_rows)
        return
    members = np.isin(video.dt.tracks, np.unique(video.dt.tracks[overlapping]))
    matches, _, columns, gt_counts, dt_counts = _cluster_matches(
        video, gt_rows, np.flatnonzero(members)
    )
    cleared = matches.iou[:, None] >= LOC_ALPHAS - EPS
    tp = cleared.sum(axis=0)
    counters.loc_tp[k] += tp
    counters.loc_fn[k] += len(gt_rows) - tp
    counters.loc_fp[k] += overlapping.sum() - cleared[overlapping[columns]].sum(axis=0)
    counters.assoc[:, k] += tp * association(matches, cleared, gt_counts, dt_counts)
    _add_classification(counters, k, video.dt.categories[columns], cleared[:, CLS_START:])


def _add_classification(
    counters: _Counters, k: int, predicted: np.ndarray, cleared: np.ndarray
) -> None:
    """Count matched boxes of class ``k`` by the class they were given."""
    right = predicted == counters.category_ids[k]
    counters.cls_tp[k] += cleared[right].sum(axis=0)
    counters.cls_fn[k] += cleared[~right].sum(axis=0)
    for row in np.flatnonzero(~right):
        wrong = counters.position.get(int(predicted[row]))
        if wrong is not None:
            counters.cls_fp[wrong] += cleared[row]


def _ratio(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    return hits / np.maximum(1, hits + misses)
