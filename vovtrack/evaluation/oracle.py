"""Oracles: the same predictions with one kind of mistake taken away.

Where a tracker loses its points shows when its boxes, its labels or its links are made perfect,
one at a time. Predictions are assigned to ground truth by the class-agnostic matching of TETA
(:func:`vovtrack.evaluation.teta.owners`: IoU of at least 0.5, consistent over the video), and only
in frames that have ground truth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.teta import OVERLAP, VideoPairs, owners, pair_up

NO_CATEGORY = -1
ORACLES = ("boxes", "labels", "links")


def correct(gt: BoxTable, dt: BoxTable, kinds: tuple[str, ...]) -> BoxTable:
    """Make the predictions of one video perfect in some respects.

    * ``labels``: an assigned prediction gets the class of its ground truth.
    * ``links``: an assigned prediction gets a track id of its own ground-truth track.
    * ``boxes``: an assigned prediction gets the box of its ground truth; ground truth without a
      prediction gets one, in the track and the class which the predictions of that object
      mostly have, or in a track of its own without a class if there are none; predictions that
      overlap some ground truth by 0.5 and are assigned to none disappear.

    Args:
        gt: Ground truth of the video, sorted by time.
        dt: Predictions of the video, sorted by time.
        kinds: Which of ``ORACLES``.

    Returns:
        The predictions in frames with ground truth, corrected, sorted by time.
    """
    video = pair_up(gt, dt.select(np.isin(dt.times, gt.times)))
    rows, columns = owners(video)
    dt = video.dt
    tracks, categories, bboxes = dt.tracks.copy(), dt.categories.copy(), dt.bboxes.copy()
    fresh = dt.tracks.max(initial=-1) + 1
    if "labels" in kinds:
        categories[columns] = gt.categories[rows]
    if "links" in kinds:
        tracks[columns] = fresh + np.unique(gt.tracks, return_inverse=True)[1].ravel()[rows]
    dt = replace(dt, tracks=tracks, categories=categories, bboxes=bboxes)
    if "boxes" in kinds:
        bboxes[columns] = gt.bboxes[rows]
        missed = _missed(gt, dt, rows, columns)
        dt = _join(dt.select(_innocent(video, columns)), missed)
    return dt


def _missed(gt: BoxTable, dt: BoxTable, rows: np.ndarray, columns: np.ndarray) -> BoxTable:
    """Predictions for the ground truth that has none."""
    missed = gt.select(np.setdiff1d(np.arange(len(gt)), rows))
    fresh = max(dt.tracks.max(initial=-1), gt.tracks.max(initial=-1)) + 1
    tracks, categories = missed.tracks + fresh, np.full(len(missed), NO_CATEGORY)
    for track in np.unique(missed.tracks):
        seen = columns[gt.tracks[rows] == track]
        if len(seen):
            here = missed.tracks == track
            categories[here] = _most_frequent(dt.categories[seen])
            usual = _most_frequent(dt.tracks[seen])
            busy = np.append(dt.times[dt.tracks == usual], missed.times[tracks == usual])
            tracks[here & ~np.isin(missed.times, busy)] = usual
    return replace(missed, tracks=tracks, categories=categories)


def _innocent(video: VideoPairs, columns: np.ndarray) -> np.ndarray:
    """Predictions that are assigned, or overlap nothing: (len(dt),) bool."""
    kept = np.ones(len(video.dt), dtype=bool)
    kept[video.pair_dt[video.pair_iou >= OVERLAP]] = False
    kept[columns] = True
    return kept


def _join(first: BoxTable, second: BoxTable) -> BoxTable:
    both = {k: np.concatenate([v, getattr(second, k)]) for k, v in vars(first).items()}
    return BoxTable(**both).sorted()


def _most_frequent(values: np.ndarray) -> int:
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])
