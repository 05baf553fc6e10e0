"""A video as frames of overlaps: what HOTA, CLEAR and Identity count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable, dense
from vovtrack.evaluation.scores.matching import Frame, box_iou


@dataclass(frozen=True)
class VideoFrames:
    """One video, or one class of it.

    Attributes:
        frames: Every time step with a box on either side, in order.
        gt_counts: (n_gt,) boxes of each ground-truth track.
        dt_counts: (n_dt,) boxes of each predicted track.
    """

    frames: list[Frame]
    gt_counts: np.ndarray
    dt_counts: np.ndarray


def split_frames(gt: BoxTable, dt: BoxTable) -> VideoFrames:
    """Overlap all ground truth with all predictions, frame by frame.

    All pairs of the video are computed at once.

    Args:
        gt: Ground truth of one video, sorted by time.
        dt: Predictions of one video, sorted by time.
    """
    times = np.union1d(gt.times, dt.times)
    gt_bounds, dt_bounds = (np.searchsorted(t.times, [times, times + 1]).T for t in (gt, dt))
    gt_sizes, dt_sizes = (bounds[:, 1] - bounds[:, 0] for bounds in (gt_bounds, dt_bounds))
    per_gt = np.repeat(dt_sizes, gt_sizes)
    first = np.repeat(dt_bounds[:, 0], gt_sizes)
    rows = np.repeat(np.arange(len(gt)), per_gt)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(per_gt) - per_gt, per_gt)
    iou = box_iou(gt.bboxes[rows], dt.bboxes[np.repeat(first, per_gt) + offsets])
    ends = np.cumsum(gt_sizes * dt_sizes)
    (gt_ids, gt_counts), (dt_ids, dt_counts) = dense(gt.tracks), dense(dt.tracks)
    frames = [
        Frame(
            gt_ids[g0:g1],
            dt_ids[d0:d1],
            iou[end - (g1 - g0) * (d1 - d0) : end].reshape(g1 - g0, d1 - d0),
        )
        for (g0, g1), (d0, d1), end in zip(
            gt_bounds.tolist(), dt_bounds.tolist(), ends.tolist(), strict=True
        )
    ]
    return VideoFrames(frames, gt_counts, dt_counts)
