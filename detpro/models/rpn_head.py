"""Region proposals without needless waits for the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.dense_heads import RPNHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.postprocess import nms_where
from vovtrack.ops.boxes import scale_boxes
from vovtrack.registry import MODELS


@MODELS.register_module()
class ProposalHead(RPNHead):
    """mmdet's RPN head (Ren et al., NeurIPS 2015), whose proposals cost one wait for the device.

    Layers, losses, arguments and proposals are mmdet's. That one sorts all anchors, builds them
    again for every batch, asks the device whether any box is too small, and in mixed precision
    rounds anchors to multiples of several pixels; here shapes are fixed, and boxes are float32.
    """

    def predict_by_feat(
        self,
        cls_scores: list[Tensor],
        bbox_preds: list[Tensor],
        score_factors: None = None,
        batch_img_metas: Sequence[dict] = (),
        cfg: ConfigDict | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Proposals of each image.

        Args:
            cls_scores: Objectness logits of each level, (B, A, h, w).
            bbox_preds: Box deltas of each level, (B, 4 A, h, w).
            score_factors: Not used.
            batch_img_metas: B dicts with ``img_shape``.
            cfg: ``nms_pre`` best anchors of a level are decoded, ``max_per_img`` boxes kept,
                suppressed level by level by ``nms.iou_threshold``; boxes of sides up to
                ``min_bbox_size`` are dropped. Default: the head's own.
            rescale: Return boxes in original instead of network-input pixels.
            with_nms: Not used: proposals are always suppressed.

        Returns:
            B x ``bboxes`` (n, 4) float32, ``scores`` (n,), ``labels`` (n,) 0, best first.
        """
        cfg = cfg or self.test_cfg
        levels = [
            _best_anchors(scores, deltas, anchors, cfg.nms_pre)
            for scores, deltas, anchors in zip(
                cls_scores, bbox_preds, self._anchors(cls_scores), strict=True
            )
        ]
        ids = [scores.new_full((scores.shape[1],), k) for k, (scores, *_) in enumerate(levels)]
        parts = (torch.cat(part, dim=1) for part in zip(*levels, strict=True))
        per_image = zip(*parts, batch_img_metas, strict=True)
        found = []
        for scores, deltas, anchors, meta in per_image:
            bboxes = self.bbox_coder.decode(anchors, deltas, max_shape=meta["img_shape"])
            if rescale:
                bboxes = scale_boxes(bboxes, [1 / s for s in meta["scale_factor"]])
            found.append(_suppressed(bboxes, scores, torch.cat(ids), cfg))
        return found

    def _anchors(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Anchors (h w A, 4) of each level; those of the last shapes are kept."""
        key = (tuple(m.shape[-2:] for m in maps), maps[0].device)
        if getattr(self, "_last_anchors", (None,))[0] != key:
            self._last_anchors = key, self.prior_generator.grid_priors(*key[:1], device=key[1])
        return self._last_anchors[1]


def _best_anchors(
    logits: Tensor, deltas: Tensor, anchors: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (B, k), deltas (B, k, 4) and boxes (B, k, 4) of the best anchors of a level."""
    images = len(logits)
    scores = logits.detach().float().permute(0, 2, 3, 1).reshape(images, -1).sigmoid()
    scores, rows = scores.topk(min(count, scores.shape[1]), dim=1)
    deltas = deltas.detach().permute(0, 2, 3, 1).reshape(images, -1, 4)
    deltas = deltas.gather(1, rows[..., None].expand(-1, -1, 4)).float()
    return scores, deltas, anchors[rows]


def _suppressed(bboxes: Tensor, scores: Tensor, level: Tensor, cfg: ConfigDict) -> InstanceData:
    """The boxes (N, 4) of one image that stay, level by level."""
    smallest = cfg.get("min_bbox_size", -1)
    large = ((bboxes[:, 2:] - bboxes[:, :2]) > smallest).all(dim=1) | (smallest < 0)
    # Levels lie beside each other, so that boxes of two levels do not overlap.
    apart = bboxes + (level * (bboxes.max() + 1))[:, None]
    kept = nms_where(large, apart, scores, cfg.nms.iou_threshold)[: cfg.max_per_img]
    return InstanceData(bboxes=bboxes[kept], scores=scores[kept], labels=torch.zeros_like(kept))
