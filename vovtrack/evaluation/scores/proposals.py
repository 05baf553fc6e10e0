"""How many objects class-agnostic proposals cover."""

from __future__ import annotations

import numpy as np

from vovtrack.ops.boxes import pairwise_iou


def matched_ious(objects: np.ndarray, proposals: np.ndarray) -> np.ndarray:
    """IoU of each object with the proposal that it gets, the best pairs first.

    Source: Hosang et al., "What makes for effective detection proposals?", TPAMI 2016.

    Args:
        objects: (G, 4) boxes.
        proposals: (N, 4) boxes in the same frame.

    Returns:
        (G,), 0 for an object that gets none.
    """
    ious = pairwise_iou(objects, proposals)
    found = np.zeros(len(objects))
    for _ in range(min(ious.shape)):
        row, column = np.unravel_index(ious.argmax(), ious.shape)
        found[row] = max(ious[row, column], 0)
        ious[row] = ious[:, column] = -1
    return found


def average_recall(ious: np.ndarray, thresholds: np.ndarray) -> float:
    """Share of objects (G,) whose IoU reaches a threshold, averaged over thresholds, in points."""
    return 100 * float((ious[:, None] >= thresholds).mean()) if len(ious) else float("nan")
