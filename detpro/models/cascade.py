"""The open-vocabulary head in several stages, each of which refines the boxes of the one before."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor
from mmdet.models.task_modules.coders import BaseBBoxCoder
from mmengine.structures import InstanceData
from torch import Tensor, nn

from detpro.models.bbox_head import DualBranchBBoxHead
from detpro.models.roi_head import Judgement, OpenVocabHead
from vovtrack.registry import MODELS


@MODELS.register_module()
class CascadeOpenVocabRoIHead(OpenVocabHead, CascadeRoIHead):
    """Cascade R-CNN (Cai and Vasconcelos, CVPR 2018) with a text bank as classifier.

    Every stage has box and mask heads and projections of its own; text bank and background are
    shared, and so are the regions of the teacher, which each stage distils. Class probabilities
    are averaged over stages (the cascade of DetPro's published code).

    Args:
        box_stds: ``target_stds`` of each stage's box coder, as many as stages.
        stage_loss_weights: Factor of all losses of a stage.
        **kwargs: Of :class:`OpenVocabHead`; ``bbox_head`` is one config, for all stages, and
            ``train_cfg`` a list with one of each.
    """

    bbox_roi_extractor: nn.ModuleList | BaseRoIExtractor

    def __init__(
        self,
        box_stds: Sequence[Sequence[float]] = (
            (0.1, 0.1, 0.2, 0.2),
            (0.05, 0.05, 0.1, 0.1),
            (0.033, 0.033, 0.067, 0.067),
        ),
        stage_loss_weights: Sequence[float] = (1.0, 0.5, 0.25),
        **kwargs,
    ) -> None:
        self.box_stds = box_stds
        super().__init__(
            num_stages=len(box_stds), stage_loss_weights=list(stage_loss_weights), **kwargs
        )

    def init_bbox_head(self, bbox_roi_extractor: dict, bbox_head: dict) -> None:
        """Build the box heads; the extractor has no weights, so one serves all stages."""
        heads = [
            dict(bbox_head, bbox_coder=dict(bbox_head["bbox_coder"], target_stds=list(stds)))
            for stds in self.box_stds
        ]
        super().init_bbox_head(bbox_roi_extractor, heads)
        self.bbox_roi_extractor = self.bbox_roi_extractor[0]

    @property
    def box_heads(self) -> Sequence[DualBranchBBoxHead]:
        """The box heads of the stages."""
        return self.bbox_head

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData], batch_data_samples: list
    ) -> dict:
        """Losses of all stages, ``s0.loss_bbox`` and so on, see mmdet's ``CascadeRoIHead``."""
        losses = super().loss(x, rpn_results_list, batch_data_samples)
        for stage, loss in enumerate(self.distillation_losses(x, batch_data_samples)):
            losses[f"s{stage}.kd_loss"] = loss * self.stage_loss_weights[stage]
        return losses

    def bbox_loss(self, stage: int, x: tuple[Tensor, ...], sampling_results: list) -> dict:
        """Losses of one stage, see :meth:`region_losses`."""
        found = self.region_losses(x, sampling_results, self.train_cfg[stage], stage)
        # Boxes are refined alike for all classes, but mmdet asks for scores to choose one.
        count = len(self.classifier.vocabulary)
        return dict(found, cls_score=found["bbox_pred"].new_zeros(len(found["rois"]), count))

    def judge(
        self, feats: tuple[Tensor, ...], rois: Tensor, counts: list[int], metas: list[dict]
    ) -> Judgement:
        """Regions as the last stage sees them; means over stages of probabilities and states."""
        outputs = self.describe(feats, rois, 0)
        found, states = [self.class_probabilities(outputs)], [self.states(outputs)]
        for stage in range(1, self.num_stages):
            coder = self.box_heads[stage - 1].bbox_coder
            rois = _refine(coder, rois, outputs.bbox_pred, counts, metas)
            outputs = self.describe(feats, rois, stage)
            found.append(self.class_probabilities(outputs))
            states.append(self.states(outputs))
        probabilities, state = (torch.stack(part).mean(dim=0) for part in (found, states))
        return Judgement(rois, outputs.bbox_pred, probabilities, state, outputs.text_embeds)


def _refine(
    coder: BaseBBoxCoder, rois: Tensor, deltas: Tensor, counts: list[int], metas: list[dict]
) -> Tensor:
    """Regions (N, 5) moved by deltas (N, 4), within their images."""
    images = zip(rois.split(counts), deltas.split(counts), metas, strict=True)
    boxes = [
        coder.decode(own[:, 1:], moves, max_shape=meta["img_shape"]) for own, moves, meta in images
    ]
    return torch.cat([rois[:, :1], torch.cat(boxes)], dim=1)
