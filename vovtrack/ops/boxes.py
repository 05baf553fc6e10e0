"""Box geometry. Boxes are (x1, y1, x2, y2) in one common pixel frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou


def drop_distractors(bboxes: Tensor, iou_threshold: float, labels: Tensor | None = None) -> Tensor:
    """Mark the boxes that overlap no better-scored box, dropped or not.

    Unlike non-maximum suppression a suppressed box still suppresses others, so the answer is a
    column-wise "any" over the upper triangle of the IoU matrix.

    Args:
        bboxes: (N, 4) boxes sorted by score, best first.
        iou_threshold: A box with a larger IoU than this with an earlier box is dropped.
        labels: (N,) if given, only boxes of the same label suppress each other.

    Returns:
        (N,) bool, True for the boxes to keep.
    """
    overlapping = box_iou(bboxes, bboxes) > iou_threshold
    if labels is not None:
        overlapping &= labels[:, None] == labels[None, :]
    return ~torch.triu(overlapping, diagonal=1).any(dim=0)
