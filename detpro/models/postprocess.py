"""From class scores of regions to final detections."""

from __future__ import annotations

import torch
from mmdet.models.layers import multiclass_nms
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import nms


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
    candidates = (best > score_thr).nonzero()[:, 0]
    kept = nms(bboxes[candidates], best[candidates], iou_threshold)[:max_per_img]
    chosen = candidates[kept]
    found = InstanceData(bboxes=bboxes[chosen], scores=best[chosen], labels=labels[chosen])
    return found, chosen


def classwise_nms(
    bboxes: Tensor, scores: Tensor, score_thr: float, iou_threshold: float, max_per_img: int
) -> tuple[InstanceData, Tensor]:
    """Suppression inside each class, one region may yield several classes (TAO track AP).

    Arguments and result as :func:`best_class_nms`.
    """
    with_background = torch.cat([scores, scores.new_zeros(len(scores), 1)], dim=1)
    dets, labels, places = multiclass_nms(
        bboxes,
        with_background,
        score_thr,
        dict(type="nms", iou_threshold=iou_threshold),
        max_per_img,
        return_inds=True,
    )
    found = InstanceData(bboxes=dets[:, :4], scores=dets[:, 4], labels=labels)
    return found, places // scores.shape[1]
