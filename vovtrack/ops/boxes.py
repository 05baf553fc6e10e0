"""Box geometry. Boxes are (x1, y1, x2, y2) in one common pixel frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_Float = TypeVar("_Float", bound=np.floating[Any])


def scale_boxes(bboxes: Tensor, factors: Sequence[float]) -> Tensor:
    """Boxes (N, 4) in another pixel frame.

    mmdet's function of this name sends the factors to the device, and the host waits for it.

    Args:
        bboxes: (N, 4) boxes.
        factors: What x and what y is multiplied by.
    """
    x, y = factors
    x1, y1, x2, y2 = bboxes.unbind(dim=1)
    return torch.stack([x1 * x, y1 * y, x2 * x, y2 * y], dim=1)


def corners_of(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) as (x, y, w, h) to corners (x1, y1, x2, y2)."""
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], dim=-1)


def pairwise_iou(a: NDArray[_Float], b: NDArray[_Float]) -> NDArray[_Float]:
    """Intersection over union of every pair of boxes, (N, 4) and (M, 4) to (N, M).

    Two boxes without area give 0.
    """
    a, b = a.T[:, :, None], b.T[:, None, :]
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    ious: NDArray[_Float] = inter / np.maximum(union, np.finfo(inter.dtype).tiny)
    return ious


def drop_distractors(
    bboxes: NDArray[_Float],
    iou_threshold: float | NDArray[_Float],
    labels: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.bool_]:
    """Mark the boxes that overlap no better-scored box, dropped or not.

    Unlike non-maximum suppression a suppressed box still suppresses others, so the answer is a
    column-wise "any" over the upper triangle of the IoU matrix.

    Args:
        bboxes: (N, 4) boxes sorted by score, best first.
        iou_threshold: A box with a larger IoU than this with an earlier box is dropped; one
            threshold, or (N,) one for each box.
        labels: (N,) if given, only boxes of the same label suppress each other.

    Returns:
        (N,) bool, True for the boxes to keep.
    """
    overlapping = pairwise_iou(bboxes, bboxes) > iou_threshold
    if labels is not None:
        overlapping &= labels[:, None] == labels[None, :]
    overlapped: NDArray[np.bool_] = np.logical_or.reduce(np.triu(overlapping, k=1), axis=0)
    return ~overlapped
