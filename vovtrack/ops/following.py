"""Following objects through a clip by overlap alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torchvision.ops import box_iou


def follow_boxes(bboxes: Sequence[Tensor], iou_thr: float) -> list[Tensor]:
    """Give boxes of consecutive frames that are each other's best overlap the same identity.

    Args:
        bboxes: T tensors (n_t, 4), consecutive frames in one coordinate frame.
        iou_thr: An overlap must exceed this.

    Returns:
        T tensors (n_t,) int64, unique inside a frame.
    """
    identities: list[Tensor] = []
    issued = 0
    for boxes in bboxes:
        identities.append(torch.arange(issued, issued + len(boxes), device=boxes.device))
        issued += len(boxes)
    for t, (before, now) in enumerate(pairwise(bboxes), start=1):
        if len(before) == 0 or len(now) == 0:
            continue
        overlap = box_iou(before, now)
        best, source = overlap.max(dim=0)
        chosen = overlap.argmax(dim=1)[source] == torch.arange(len(now), device=now.device)
        followed = chosen & (best > iou_thr)
        identities[t] = torch.where(followed, identities[t - 1][source], identities[t])
    return identities
