"""Long-term tracking: precision, recall and F1 of boxes that come with a score of presence.

Lukežič et al., "Now You See Me: Evaluating Performance in Long-Term Visual Tracking", 2018. The
frames of all sequences are pooled and taken in the order of their scores. After n of them, with o
the overlap, 0 where there is no target: precision is the sum of o divided by n, recall the same sum
divided by the number of frames with a target; F1 is their harmonic mean.

Columns, a row for each frame: ``overlap``, ``presence``, and ``target``, 1 or 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vovtrack.evaluation.scores.single_object import overlap, prepare


class PresenceCurve(NamedTuple):
    """What is reached with the n frames of the highest scores, for n = 0 to T.

    Attributes:
        precision: (T + 1,), beginning with 1.
        recall: (T + 1,), beginning with 0.
        f1: The best one, in [0, 1].
        best: The n that reaches it.
        threshold: The score that the published program prints with it: the one of the next frame.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: float
    best: int
    threshold: float


def presence_curve(overlaps: np.ndarray, presence: np.ndarray, target: np.ndarray) -> PresenceCurve:
    """Precision and recall over the scores of presence.

    Args:
        overlaps: (T,) of all frames, 0 where there is no target.
        presence: (T,) scores.
        target: (T,) whether there is a target.
    """
    order = np.argsort(-presence, kind="stable")
    sums = np.cumsum(overlaps[order])
    precision = np.concatenate([[1.0], sums / np.arange(1, len(sums) + 1)])
    recall = np.concatenate([[0.0], sums / max(1, target.sum())])
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    best = int(f1.argmax())
    threshold = presence[order[min(best, len(order) - 1)]]
    return PresenceCurve(precision, recall, float(f1[best]), best, float(threshold))


def target_overlaps(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, first_is_given: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Overlap of each frame, 0 where there is no target, and whether there is one.

    Args:
        pred: (P, 4) predictions ``(x, y, w, h)``.
        gt: (T, 4) ground truth.
        visible: (T,) bool.
        first_is_given: The first prediction is replaced by the ground truth. The published program
            does it in the first sequence only, because it has put all into one row by then.
    """
    with np.errstate(invalid="ignore"):
        target = (gt > 0).all(axis=1) & visible
    found = overlap(prepare(pred, gt, first_is_given), np.nan_to_num(gt))
    return np.where(target, found, 0), target
