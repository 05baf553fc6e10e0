"""Spatial consistency: boxes in one place of neighbouring frames show one object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.registry import MODELS


@MODELS.register_module()
class SpatialConsistencyLoss(nn.Module):
    """Cross-entropy between cosines of embeddings and overlaps of boxes over a clip.

    Pairs of boxes that overlap by more than ``iou_thr`` should be alike, others should not
    (VOVTrack, Qian et al., ICCV 2025, spatial consistency). The released training compares boxes
    in the coordinates of separately augmented frames, over all frames, each box also with itself;
    then only the box itself passes, and every two boxes are pushed apart. It works with boxes in
    source coordinates, ``frame_gap=1``, ``include_self=False``, ``flat_boxes=False`` and
    ``balanced=True``.

    Args:
        top_k: Best boxes of each frame that count.
        iou_thr: Overlap above which boxes are one object.
        neg_iou_thr: Overlap below which they are two; pairs between the thresholds do not count.
            None is ``iou_thr``.
        frame_gap: Pairs of frames further apart do not count; None counts all.
        include_self: Count pairs inside one frame, each box with itself included.
        flat_boxes: Count boxes without area. They overlap nothing, themselves included, so that
            each is its own negative, as in the released training; False leaves them out.
        balanced: Let positive and negative pairs weigh one half each.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        top_k: int = 10,
        iou_thr: float = 0.95,
        neg_iou_thr: float | None = None,
        frame_gap: int | None = None,
        include_self: bool = True,
        flat_boxes: bool = True,
        balanced: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.top_k = top_k
        self.iou_thr = iou_thr
        self.neg_iou_thr = iou_thr if neg_iou_thr is None else neg_iou_thr
        self.frame_gap = frame_gap
        self.include_self = include_self
        self.flat_boxes = flat_boxes
        self.balanced = balanced
        self.loss_weight = loss_weight

    def forward(
        self, embeds: Sequence[Tensor], bboxes: Sequence[Tensor], scores: Sequence[Tensor]
    ) -> Tensor:
        """Compute the loss of one clip.

        Args:
            embeds: T tensors (n_t, D).
            bboxes: T tensors (n_t, 4), all frames in one coordinate frame.
            scores: T tensors (n_t,).

        Returns:
            Scalar; 0 (with a graph) where no pair counts.
        """
        best = [s.topk(min(self.top_k, len(s))).indices for s in scores]
        picked = [rows[keep] for rows, keep in zip(embeds, best, strict=True)]
        features = torch.cat(picked).float()
        boxes = torch.cat([rows[keep] for rows, keep in zip(bboxes, best, strict=True)]).float()
        frames = torch.cat([keep.new_full((len(keep),), t) for t, keep in enumerate(best)])
        # Half precision rounds cosines, and has no binary cross-entropy on a GPU.
        with torch.autocast(features.device.type, enabled=False):
            return self.loss_weight * self._compare(features, boxes, frames)

    def _compare(self, features: Tensor, boxes: Tensor, frames: Tensor) -> Tensor:
        """Loss of M objects: features (M, D), boxes (M, 4), frame numbers (M,)."""
        features = F.normalize(features, dim=1)
        # Rounding makes cosines a little larger than 1, of which there is no logarithm.
        alike = ((features @ features.T + 1) / 2).clamp(0, 1)
        overlap = _iou(boxes)
        positive = overlap > self.iou_thr
        counted = positive | ~(overlap >= self.neg_iou_thr)
        if not self.flat_boxes:
            solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            counted = counted & solid & solid[:, None]
        gaps = (frames[:, None] - frames[None]).abs()
        if not self.include_self:
            counted = counted & (gaps > 0)
        if self.frame_gap is not None:
            counted = counted & (gaps <= self.frame_gap)
        losses = F.binary_cross_entropy(
            alike.nan_to_num(), positive.to(alike.dtype), reduction="none"
        )
        # A cosine that is not a number must reach the loss, but would end the process on a GPU.
        losses = losses + 0 * alike
        return self._reduce(losses, positive & counted, ~positive & counted)

    def _reduce(self, losses: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        if not self.balanced:
            counted = positive | negative
            return (losses * counted).sum() / counted.sum().clamp(min=1)
        like, unlike = (
            (losses * half).sum() / half.sum().clamp(min=1) for half in (positive, negative)
        )
        return (like + unlike) / 2


def _iou(boxes: Tensor) -> Tensor:
    """(M, M) overlaps; boxes without area overlap nothing, themselves included."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    union = area[:, None] + area[None] - inter
    return inter / union.clamp(min=torch.finfo(boxes.dtype).tiny)
