"""RoI head of the open-vocabulary detector."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.bbox_head import DualBranchBBoxHead, RegionOutputs
from detpro.models.postprocess import best_class_nms_on_demand
from detpro.models.roi_head import OpenVocabHead
from vovtrack.registry import MODELS

ROUNDING = 1.001
"""Factor on bounds of probabilities: parts of a batch round differently than the whole."""


@MODELS.register_module()
class OpenVocabRoIHead(OpenVocabHead, StandardRoIHead):
    """Open-vocabulary head of one stage; arguments of :class:`OpenVocabHead`."""

    @property
    def box_heads(self) -> Sequence[DualBranchBBoxHead]:
        """The one box head."""
        return (self.bbox_head,)

    def detect(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: list[InstanceData],
        metas: list[dict],
        rescale: bool = False,
    ) -> list[InstanceData]:
        """See :meth:`OpenVocabHead.detect`; on a CPU fewer regions pass the image branch.

        The detections are the same: only regions pass that could be one by what the text branch
        says of them, see :func:`best_class_nms_on_demand`.
        """
        if not self._image_branch_can_wait():
            return super().detect(x, rpn_results_list, metas, rescale)
        proposals = [res.bboxes for res in rpn_results_list]
        rois = bbox2roi(proposals)
        pooled = self.pool(x, rois)
        parts = (rois, pooled, *self.bbox_head.describe_text(pooled))
        counts = [len(p) for p in proposals]
        per_image = zip(*(part.split(counts) for part in parts), strict=True)
        return [
            self._detect_on_demand(*image, meta=meta, rescale=rescale)
            for image, meta in zip(per_image, metas, strict=True)
        ]

    def _image_branch_can_wait(self) -> bool:
        head = self.bbox_head
        return (
            self.fusion is not None
            and head.image_branch is not None
            and self.level_map is None
            and self.state_scoring is None
            and self.test_cfg.nms.get("class_agnostic", False)
            # In train mode batch norms count all regions.
            and not head.training
            # Each answer is waited for, which costs a GPU more than it saves.
            and self.text_weights.device.type == "cpu"
        )

    def _detect_on_demand(
        self,
        rois: Tensor,
        pooled: Tensor,
        deltas: Tensor,
        text_embeds: Tensor,
        *,
        meta: dict,
        rescale: bool,
    ) -> InstanceData:
        probabilities = text_embeds.new_zeros(len(rois), len(self.text_weights))

        def judge(rows: Tensor) -> Tensor:
            image_embeds = self.bbox_head.describe_image(pooled[rows])
            outputs = RegionOutputs(deltas[rows], text_embeds[rows], image_embeds)
            probabilities[rows] = self.class_probabilities(outputs)
            return self.score_rule(probabilities[rows])

        cfg = self.test_cfg
        found, regions = best_class_nms_on_demand(
            self.decode(rois, deltas, meta, rescale),
            self._score_bounds(text_embeds),
            judge,
            self.score_thresholds().detect,
            cfg.nms.iou_threshold,
            cfg.max_per_img,
        )
        found.probabilities = probabilities[regions]
        found.cls_embeds = text_embeds[regions]
        return found

    def _score_bounds(self, text_embeds: Tensor) -> Tensor:
        """What no score of regions exceeds, (N,), by their text embeddings (N, D)."""
        assert self.fusion is not None, "see _image_branch_can_wait"
        classifier = self.classifier
        logits = classifier.logits(text_embeds, classifier.test_temperature)
        bounds = self.fusion.bounds(logits, self.text_weights) * ROUNDING
        return self.score_rule.bounds(bounds, len(classifier.vocabulary))

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData], batch_data_samples: list
    ) -> dict:
        """Losses of boxes, classes, masks and distillation, see mmdet's ``StandardRoIHead``."""
        losses = super().loss(x, rpn_results_list, batch_data_samples)
        if distilled := self.distillation_losses(x, batch_data_samples):
            losses["kd_loss"] = distilled[0]
        return losses

    def bbox_loss(self, x: tuple[Tensor, ...], sampling_results: list) -> dict:
        """Losses of the box branch, see :meth:`region_losses`."""
        return dict(self.region_losses(x, sampling_results, self.train_cfg), bbox_feats=None)
