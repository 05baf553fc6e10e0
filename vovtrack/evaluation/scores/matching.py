"""The core that TETA and HOTA share: overlap, global alignment, matching, association.

Formulas: Luiten et al., "HOTA", IJCV 2021, section 5; Li et al., "Tracking Every Thing in the
Wild", ECCV 2022. Matrices of one frame are (G, D): ground truth by prediction. Ids are dense,
0..n-1, inside the data at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Frame:
    """One time step.

    Attributes:
        gt: (G,) dense ground-truth track ids.
        dt: (D,) dense predicted track ids.
        iou: (G, D) float64, Fortran order.
    """

    gt: np.ndarray
    dt: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Matched pairs over many frames, M of them.

    Attributes:
        frame: (M,) which frame of the list.
        row: (M,) row (ground truth) inside the frame.
        column: (M,) column (prediction) inside the frame.
        gt: (M,) dense ground-truth track id.
        dt: (M,) dense predicted track id.
        iou: (M,) overlap of the pair.
    """

    frame: np.ndarray
    row: np.ndarray
    column: np.ndarray
    gt: np.ndarray
    dt: np.ndarray
    iou: np.ndarray


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes ``(x, y, w, h)``, elementwise after broadcasting, in float64.

    Areas come from the recomputed corners and vanishing areas give 0, so that pairs exactly at a
    threshold fall on the same side as in TrackEval.

    Args:
        first: (..., 4).
        second: (..., 4).

    Returns:
        (...) IoU.
    """
    x1, y1, w1, h1 = np.moveaxis(first, -1, 0)
    x2, y2, w2, h2 = np.moveaxis(second, -1, 0)
    right1, bottom1, right2, bottom2 = x1 + w1, y1 + h1, x2 + w2, y2 + h2
    inter = np.maximum(np.minimum(right1, right2) - np.maximum(x1, x2), 0) * np.maximum(
        np.minimum(bottom1, bottom2) - np.maximum(y1, y2), 0
    )
    area1, area2 = (right1 - x1) * (bottom1 - y1), (right2 - x2) * (bottom2 - y2)
    union = area1 + area2 - inter
    empty = (area1 <= EPS) | (area2 <= EPS) | (union <= EPS)
    return np.where(empty, 0.0, inter) / np.where(union <= EPS, 1.0, union)


def align(frames: Sequence[Frame], gt_counts: np.ndarray, dt_counts: np.ndarray) -> np.ndarray:
    """Global alignment score of every track pair, HOTA equation 12.

    Args:
        frames: The time steps.
        gt_counts: (n_gt,) number of boxes of each ground-truth track.
        dt_counts: (n_dt,) number of boxes of each predicted track.

    Returns:
        (n_gt, n_dt) float64 in [0, 1].
    """
    shared = np.zeros((len(gt_counts), len(dt_counts)))
    for frame in frames:
        total = frame.iou.sum(axis=0)[None, :] + frame.iou.sum(axis=1)[:, None] - frame.iou
        weight = np.divide(frame.iou, total, out=np.zeros_like(frame.iou), where=total > EPS)
        shared[frame.gt[:, None], frame.dt[None, :]] += weight
    return shared / (gt_counts[:, None] + dt_counts[None, :] - shared)


def match(frames: Sequence[Frame], alignment: np.ndarray) -> Matches:
    """Best one-to-one matching of each frame, maximising alignment times IoU.

    All ``min(G, D)`` pairs are returned, also those of score 0; callers ask for their IoU. Ties
    are broken by position, as scipy does, which makes the order of boxes matter there.
    """
    pieces = []
    for index, frame in enumerate(frames):
        scores = alignment[frame.gt[:, None], frame.dt[None, :]] * frame.iou
        rows, columns = linear_sum_assignment(-scores)
        pieces.append(
            (
                np.full(len(rows), index),
                rows,
                columns,
                frame.gt[rows],
                frame.dt[columns],
                frame.iou[rows, columns],
            )
        )
    if not pieces:
        nothing = np.zeros(0, dtype=np.int64)
        return Matches(nothing, nothing, nothing, nothing, nothing, np.zeros(0))
    return Matches(*(np.concatenate(column) for column in zip(*pieces, strict=True)))


def association(
    matches: Matches, cleared: np.ndarray, gt_counts: np.ndarray, dt_counts: np.ndarray
) -> np.ndarray:
    """Association accuracy, recall and precision at every localisation threshold.

    Args:
        matches: M matched pairs.
        cleared: (M, A) bool, which of A thresholds each pair reaches.
        gt_counts: (n_gt,) boxes per ground-truth track.
        dt_counts: (n_dt,) boxes per predicted track.

    Returns:
        (3, A): AssA, AssRe, AssPr; 0 where nothing is matched.
    """
    codes, pair = np.unique(matches.gt * len(dt_counts) + matches.dt, return_inverse=True)
    shared = np.zeros((len(codes), cleared.shape[1]))
    np.add.at(shared, pair.ravel(), cleared)
    in_gt = gt_counts[codes // len(dt_counts)][:, None]
    in_dt = dt_counts[codes % len(dt_counts)][:, None]
    totals = (in_gt + in_dt - shared, in_gt, in_dt)
    scores = [(shared * shared / np.maximum(1, total)).sum(axis=0) for total in totals]
    return np.stack(scores) / np.maximum(1, cleared.sum(axis=0))
