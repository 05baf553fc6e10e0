"""Tracklets of a raw clip, and the contrast of objects that they allow without labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_overlaps
from mmengine.model import BaseModule
from torch import Tensor

from ovtrack.similarity import cosine_similarity
from vovtrack.registry import MODELS


def chain_by_overlap(bboxes: Sequence[Tensor], min_iou: float) -> list[Tensor]:
    """Give boxes of neighbouring frames that overlap one identity.

    Two boxes are linked if each is the one that the other overlaps most, by ``min_iou`` at least
    (Bochinski et al., AVSS 2017, made mutual). An object that is missed in a frame begins anew.

    Args:
        bboxes: T tensors (n_t, 4), frames in a row, in one coordinate frame.
        min_iou: Smallest overlap of a link.

    Returns:
        T tensors (n_t,) of identities, int64, unique inside a frame.
    """
    identities: list[Tensor] = []
    issued = 0
    for t, boxes in enumerate(bboxes):
        own = torch.arange(len(boxes), device=boxes.device)
        fresh = own + issued
        issued += len(boxes)
        if t > 0 and len(boxes) and len(bboxes[t - 1]):
            overlap = bbox_overlaps(bboxes[t - 1], boxes)
            best = overlap.argmax(dim=0)
            mutual = (overlap.argmax(dim=1)[best] == own) & (overlap[best, own] >= min_iou)
            fresh = torch.where(mutual, identities[-1][best], fresh)
        identities.append(fresh)
    return identities


@MODELS.register_module()
class TrackletContrast(BaseModule):
    """Contrast of the objects of a clip by their tracklets.

    Boxes are chained over neighbouring frames (:func:`chain_by_overlap`), which needs no
    appearance: the identities do not repeat what the embeddings believe already. Boxes of one
    tracklet are positives, however far apart their frames. A tracklet is certainly not any other
    box of a frame in which it lies itself; these are its negatives, look-alikes included. All other
    pairs do not count: an object that leaves, or is missed once, comes back under another identity.
    The losses are those of labelled pairs (quasi-dense similarity learning, Pang et al., CVPR
    2021), in one softmax over the clip for each box.

    Args:
        contrast: Config of the loss on dot products.
        margin: Config of the loss on cosines; None has none.
        min_iou: Smallest overlap of linked boxes.
    """

    def __init__(self, contrast: dict, margin: dict | None = None, min_iou: float = 0.5) -> None:
        super().__init__()
        self.contrast = MODELS.build(contrast)
        self.margin = MODELS.build(margin) if margin else None
        self.min_iou = min_iou

    def forward(self, embeds: Sequence[Tensor], bboxes: Sequence[Tensor]) -> Tensor:
        """Compute the loss of one clip.

        Args:
            embeds: T tensors (n_t, D).
            bboxes: T tensors (n_t, 4), frames in a row, in one coordinate frame.

        Returns:
            Scalar; 0 (with a graph) where no tracklet has two boxes.
        """
        same, known = relations(chain_by_overlap(bboxes, self.min_iou))
        features = torch.cat(list(embeds)).float()
        # Half precision would round dot products of up to hundreds to steps of one.
        with torch.autocast(features.device.type, enabled=False):
            # Finite: a loss multiplies by zero what does not count.
            excluded = torch.finfo(features.dtype).min / 2
            logits = (features @ features.T).masked_fill(~known, excluded)
            loss = self.contrast(logits, same)
            if self.margin is not None:
                cosines = cosine_similarity(features, features).masked_fill(~known, -1)
                loss = loss + self.margin(cosines, same)
        return loss


def relations(identities: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What tracklets tell of every two of the N boxes of a clip.

    Args:
        identities: T tensors (n_t,), the tracklet of each box, unique inside a frame.

    Returns:
        (N, N) bool, True where both boxes are of one tracklet; (N, N) bool, True where it is known
        whether they are: the tracklet of the row, if it is more than one box, lies in the frame of
        the column. No box is compared with itself.
    """
    joined = torch.cat(list(identities))
    places = [own.new_full((len(own),), t) for t, own in enumerate(identities)]
    alike = joined[:, None] == joined
    frames = F.one_hot(torch.cat(places), len(places)).to(torch.float32)
    lies_in = alike.to(torch.float32) @ frames  # (N, T), 1 where the tracklet has a box
    known = (lies_in @ frames.T > 0) & (lies_in.sum(dim=1, keepdim=True) > 1)
    others = ~torch.eye(len(joined), dtype=torch.bool, device=joined.device)
    return alike & others, known & others
