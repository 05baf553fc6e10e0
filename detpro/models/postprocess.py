"""From class scores of regions to final detections."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import nms

PAIRS_AT_FIRST = 10_000
"""Best pairs of region and class among which suppression inside classes looks first."""


def nms_where(valid: Tensor, bboxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression among the valid boxes; the host waits for the device once.

    To select the valid ones first would be a second wait, for their number. Instead the others
    move onto a box that lies beside all and is better than all: it suppresses them.

    Args:
        valid: (N,) bool, which boxes take part.
        bboxes: (N, 4) boxes.
        scores: (N,) finite scores.
        iou_threshold: Suppress boxes overlapping a better one by more.

    Returns:
        (n,) indices of the boxes that stay, best first.
    """
    if len(bboxes) == 0:
        return torch.zeros(0, dtype=torch.long, device=bboxes.device)
    corner = bboxes.min() - 2
    beside = torch.stack([corner, corner, corner + 1, corner + 1])[None]
    moved = torch.where(valid[:, None], bboxes, beside)
    best = scores.new_full((1,), torch.inf)
    return nms(torch.cat([beside, moved]), torch.cat([best, scores]), iou_threshold)[1:] - 1


def best_class_nms(
    bboxes: Tensor, scores: Tensor, score_thr: float, iou_threshold: float, max_per_img: int
) -> tuple[InstanceData, Tensor]:
    """Class-agnostic suppression with the best class of each region.

    Equals suppression over all (region, class) pairs irrespective of class, because the pairs of
    one region share a box: the best one suppresses the others. (Boxes without area are the
    exception: their overlap with themselves is undefined, and here they appear once.)

    Args:
        bboxes: (N, 4) boxes.
        scores: (N, C) class scores.
        score_thr: Keep scores strictly above this.
        iou_threshold: Suppress boxes overlapping a better one by more.
        max_per_img: Keep this many best.

    Returns:
        Detections with ``bboxes``, ``scores``, ``labels``, best first, and the region (n,) of each.
    """
    best, labels = scores.max(dim=1)
    kept = nms_where(best > score_thr, bboxes, best, iou_threshold)[:max_per_img]
    found = InstanceData(bboxes=bboxes[kept], scores=best[kept], labels=labels[kept])
    return found, kept


def best_class_nms_on_demand(
    bboxes: Tensor,
    bounds: Tensor,
    judge: Callable[[Tensor], Tensor],
    score_thr: float,
    iou_threshold: float,
    max_per_img: int,
) -> tuple[InstanceData, Tensor]:
    """As :func:`best_class_nms`, for scores that are dear: only those that decide are asked for.

    Suppression goes by what is known, a score or its upper bound. Where all boxes that stay have
    their scores, these are the result: whatever a bound let one of them suppress has a score below
    that bound. Else the best boxes that stay without a score get theirs, twice as many in each
    round, and it starts again.

    Args:
        bboxes: (N, 4) boxes.
        bounds: (N,) what the best score of each region does not exceed.
        judge: Class scores (n, C) of the regions (n,).
        score_thr: As of :func:`best_class_nms`, like all that follow.
        iou_threshold: See there.
        max_per_img: See there.
    """
    best, labels = bounds.clone(), torch.zeros(len(bounds), dtype=torch.long, device=bounds.device)
    unknown = torch.ones_like(bounds, dtype=torch.bool)
    size = max_per_img
    while True:
        kept = nms_where(best > score_thr, bboxes, best, iou_threshold)
        if not unknown[kept[:max_per_img]].any():
            break
        rows = kept[unknown[kept]][:size]
        best[rows], labels[rows] = judge(rows).max(dim=1)
        unknown[rows] = False
        size *= 2
    kept = kept[:max_per_img]
    found = InstanceData(bboxes=bboxes[kept], scores=best[kept], labels=labels[kept])
    return found, kept


def classwise_nms(
    bboxes: Tensor, scores: Tensor, score_thr: float, iou_threshold: float, max_per_img: int
) -> tuple[InstanceData, Tensor]:
    """Suppression inside each class, one region may yield several classes (TAO track AP).

    Only the best pairs of region and class are looked at, more of them if too few stay: what is
    suppressed depends on better pairs alone. Classes lie beside each other, so that one call serves
    all of them, however many pairs there are.

    Arguments and result as :func:`best_class_nms`; ``bboxes`` may be (N, C, 4), a box per class.
    """
    num_classes = scores.shape[1]
    flat, by_class = scores.reshape(-1), bboxes if bboxes.ndim == 3 else bboxes[:, None]
    side = bboxes.max() - bboxes.min() + 1 if len(bboxes) else 1
    count = min(PAIRS_AT_FIRST, len(flat))
    while True:
        best, pairs = flat.topk(count)
        labels = pairs % num_classes
        regions = pairs.div(num_classes, rounding_mode="floor")
        own = by_class[regions, labels % by_class.shape[1]]
        apart = own + (labels * side)[:, None]
        kept = nms_where(best > score_thr, apart, best, iou_threshold)[:max_per_img]
        if count == len(flat) or len(kept) == max_per_img or best[-1] <= score_thr:
            break
        count = min(4 * count, len(flat))
    found = InstanceData(bboxes=own[kept], scores=best[kept], labels=labels[kept])
    return found, regions[kept]
