"""Oracles: the same predictions with one kind of mistake taken away.

Where a tracker loses its points shows when its boxes, its labels or its links are made perfect,
one at a time. Predictions are assigned to ground truth by the class-agnostic matching of TETA
(:func:`vovtrack.evaluation.scores.teta.owners`: IoU of at least 0.5, consistent over the video).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.teta import OVERLAP, VideoPairs, owners, pair_up

NO_CATEGORY = -1
ORACLES = ("boxes", "labels", "links")


def correct(
    gt: BoxTable, dt: BoxTable, kinds: tuple[str, ...], exhaustive: bool = False
) -> BoxTable:
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
        exhaustive: Everything is annotated, so that with ``boxes`` predictions that overlap
            nothing disappear too.

    Returns:
        The predictions, corrected, sorted by time.
    """
    judged = np.isin(dt.times, gt.times)
    elsewhere = dt.select(~judged)
    video = pair_up(gt, dt.select(judged))
    rows, columns = owners(video)
    dt = video.dt
    own_track = (
        max(_after(dt, gt), _after(elsewhere, gt))
        + np.unique(gt.tracks, return_inverse=True)[1].ravel()
    )
    tracks, categories, bboxes = dt.tracks.copy(), dt.categories.copy(), dt.bboxes.copy()
    if "labels" in kinds:
        categories[columns] = gt.categories[rows]
    if "links" in kinds:
        tracks[columns] = own_track[rows]
    dt = replace(dt, tracks=tracks, categories=categories, bboxes=bboxes)
    if "boxes" not in kinds:
        return _join(dt, elsewhere)
    bboxes[columns] = gt.bboxes[rows]
    missing = np.setdiff1d(np.arange(len(gt)), rows)
    added = _usual(gt, dt, rows, columns, missing, own_track[missing])
    if "labels" in kinds:
        added = replace(added, categories=gt.categories[missing])
    if "links" in kinds:
        added = replace(added, tracks=own_track[missing])
    if exhaustive:
        return _join(dt.select(np.sort(columns)), added)
    return _join(_join(dt.select(_innocent(video, columns)), added), elsewhere)


def _after(dt: BoxTable, gt: BoxTable) -> int:
    """First id above all track ids."""
    return max(dt.tracks.max(initial=-1), gt.tracks.max(initial=-1)) + 1


def _usual(
    gt: BoxTable,
    dt: BoxTable,
    rows: np.ndarray,
    columns: np.ndarray,
    missing: np.ndarray,
    own_track: np.ndarray,
) -> BoxTable:
    """Predictions for missing ground truth, with what its object is usually predicted as."""
    added = gt.select(missing)
    tracks, categories = own_track.copy(), np.full(len(added), NO_CATEGORY)
    for track in np.unique(added.tracks):
        seen = columns[gt.tracks[rows] == track]
        if len(seen):
            here = added.tracks == track
            categories[here] = _most_frequent(dt.categories[seen])
            usual = _most_frequent(dt.tracks[seen])
            busy = np.append(dt.times[dt.tracks == usual], added.times[tracks == usual])
            tracks[here & ~np.isin(added.times, busy)] = usual
    return replace(added, tracks=tracks, categories=categories)


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
