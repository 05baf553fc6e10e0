"""What the RoI heads of open-vocabulary detectors share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models.roi_heads.base_roi_head import BaseRoIHead
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.bbox_head import DualBranchBBoxHead, RegionOutputs
from detpro.models.postprocess import best_class_nms, classwise_nms
from detpro.models.scores import ProbabilityScores
from vovtrack.errors import InputError
from vovtrack.ops.boxes import scale_boxes
from vovtrack.ops.transfer import to_host
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.structures.thresholds import ScoreThresholds


class Judgement(NamedTuple):
    """What a head says about N regions."""

    rois: Tensor
    """(N, 5) image index and box, network-input pixels, as the last stage saw them."""
    deltas: Tensor
    """(N, 4) box deltas from there."""
    probabilities: Tensor
    """(N, C + 1) of the classes and the background."""
    states: Tensor
    """(N,) how favourable the states of regions are."""
    embeds: Tensor
    """(N, D) unit embeddings of the text branch."""

    def split(self, counts: list[int]) -> list[Judgement]:
        """The regions of each image."""
        return list(map(Judgement, *(field.split(counts) for field in self)))


class OpenVocabHead(BaseRoIHead):
    """Boxes from the box head, classes from a text bank, scores from the fusion of two branches.

    Source: DetPro (Du et al., CVPR 2022, section 4.1) with the inference of OVTrack. What is
    decided in one stage or in several is left to the subclasses, which name one of mmdet's heads as
    their second base.

    Args:
        classifier: Config of :class:`~detpro.models.classifier.TextBankClassifier`.
        fusion: Config of :class:`~detpro.models.fusion.GeometricScoreFusion`; None scores
            regions with the text branch alone.
        score_rule: Config of how probabilities become scores and what these are good for, see
            :mod:`detpro.models.scores`; None is :class:`ProbabilityScores`.
        train_on: ``base`` hides novel classes from the classifier in training, ``all`` does not.
        distillation: Config of :class:`~detpro.models.distillation.RegionDistillation`; None
            trains without a teacher.
        state_attention: Config of :class:`~detpro.models.state_attention.StateAttention`, by
            which regions count in the text loss; None counts all alike.
        state_scoring: Config of a :class:`~detpro.models.state_scoring.StateScoring`, by which the
            state of a region changes its detections; None changes nothing.
        level_map: Levels of the pyramid from which regions of each level are pooled, for boxes
            (``reg``) and for classes (``cls``); None pools both from the level of their size.
        **kwargs: Of mmdet's head.

    Raises:
        InputError: ``test_cfg`` has a ``score_thr``.
    """

    text_weights: Tensor
    hidden_classes: Tensor

    def __init__(
        self,
        classifier: dict,
        fusion: dict | None = None,
        score_rule: dict | None = None,
        train_on: str = "base",
        distillation: dict | None = None,
        state_attention: dict | None = None,
        state_scoring: dict | None = None,
        level_map: dict[str, Sequence[int]] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if "score_thr" in (self.test_cfg or {}):
            raise InputError(
                "model.test_cfg.rcnn.score_thr has no effect on this head: thresholds of scores "
                "belong to the score rule, set model.roi_head.score_rule.detect."
            )
        self.classifier = MODELS.build(classifier)
        self.fusion = MODELS.build(fusion) if fusion else None
        self.score_rule = MODELS.build(score_rule) if score_rule else ProbabilityScores()
        self.train_on = train_on
        self.distillation = MODELS.build(distillation) if distillation else None
        self.state_attention = MODELS.build(state_attention) if state_attention else None
        self.state_scoring = MODELS.build(state_scoring) if state_scoring else None
        self.level_map = level_map
        self.register_buffer("text_weights", torch.empty(0), persistent=False)
        self.register_buffer("hidden_classes", torch.empty(0, dtype=torch.bool), persistent=False)

    @property
    def box_heads(self) -> Sequence[DualBranchBBoxHead]:
        """The box head of each stage."""
        raise NotImplementedError

    def set_vocabulary(self, vocabulary: Vocabulary, embeds: Tensor | None = None) -> None:
        """Detect the classes of ``vocabulary`` from now on; ``embeds`` (C, D) are optional."""
        device = self.text_weights.device
        self.classifier.set_vocabulary(vocabulary, embeds)
        for head in self.box_heads:
            head.num_classes = len(vocabulary)
        if self.fusion is not None:
            self.text_weights = self.fusion.text_weights(vocabulary).to(device)
        if self.state_scoring is not None:
            self.state_scoring.set_vocabulary(vocabulary)
        hidden = torch.tensor(
            vocabulary.fusion_mask("novel" if self.train_on == "base" else "none")
        )
        self.hidden_classes = torch.cat([hidden, hidden.new_zeros(1)]).to(device)

    def score_thresholds(self) -> ScoreThresholds:
        """What scores are good for with the vocabulary in use."""
        return self.score_rule.thresholds(len(self.classifier.vocabulary))

    def best_score(self) -> float:
        """The largest score that a detection can have with the vocabulary in use."""
        return self.score_rule.score_of(1.0, len(self.classifier.vocabulary))

    def describe(self, feats: tuple[Tensor, ...], rois: Tensor, stage: int = -1) -> RegionOutputs:
        """Pool regions once and describe them with both branches.

        Args:
            feats: FPN maps (B, C, h, w).
            rois: (N, 5) image index and box in network-input pixels.
            stage: Whose box head describes, by default the last one's.
        """
        head = self.box_heads[stage]
        if self.level_map is None:
            return head(self.pool(feats, rois))
        bbox_pred, text_embeds = self.describe_text(feats, rois, stage)
        image_embeds = head.describe_image(self.pool(feats, rois))
        return RegionOutputs(bbox_pred, text_embeds, image_embeds)

    def describe_text(
        self, feats: tuple[Tensor, ...], rois: Tensor, stage: int = -1
    ) -> tuple[Tensor, Tensor]:
        """Box deltas (N, 4) and unit embeddings (N, D) of the text branch."""
        head = self.box_heads[stage]
        if self.level_map is None:
            return head.describe_text(self.pool(feats, rois))
        deltas = head.describe_text(self.pool(feats, rois, self.level_map["reg"]))[0]
        embeds = head.describe_text(self.pool(feats, rois, self.level_map["cls"]))[1]
        return deltas, embeds

    def pool(
        self, feats: tuple[Tensor, ...], rois: Tensor, level_map: Sequence[int] | None = None
    ) -> Tensor:
        """Pooled features (N, C, S, S) of regions."""
        return self.bbox_roi_extractor(feats, rois, level_map)

    def class_probabilities(self, outputs: RegionOutputs) -> Tensor:
        """Probabilities of the C classes and the background, (N, C + 1) float32."""
        classifier = self.classifier
        text_logits = classifier.logits(outputs.text_embeds, classifier.test_temperature)
        if self.fusion is None:
            return torch.softmax(text_logits, dim=1)
        temperature = self.fusion.image_temperature or classifier.test_temperature
        image_logits = classifier.logits(outputs.image_embeds, temperature, background=False)
        return self.fusion(text_logits, image_logits, self.text_weights)

    def predict(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: list[InstanceData],
        batch_data_samples: list,
        rescale: bool = False,
    ) -> list[InstanceData]:
        """Detect the objects of each image; with a mask head also their masks.

        Args:
            x: FPN maps (B, C, h, w).
            rpn_results_list: Proposals of each image, network-input pixels.
            batch_data_samples: Samples with ``img_shape`` and ``scale_factor``.
            rescale: Return boxes in original instead of network-input pixels.

        Returns:
            Per image ``bboxes`` (n, 4), ``scores``, ``labels``, best first; without masks on the
            CPU, in one transfer.
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        # The mask head wants boxes in network-input pixels and rescales them itself.
        found = self.detect(x, rpn_results_list, metas, rescale and not self.with_mask)
        for instances in found:
            instances.pop("probabilities")
            instances.pop("cls_embeds")
        if self.with_mask:
            return self.predict_mask(x, metas, found, rescale)
        return [to_host(instances) for instances in found]

    def detect(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: list[InstanceData],
        metas: list[dict],
        rescale: bool = False,
    ) -> list[InstanceData]:
        """As :meth:`predict` without masks, with what is known of the region of each detection.

        Returns:
            Per image also ``probabilities`` (n, C + 1) and ``cls_embeds`` (n, D), the unit
            embeddings of the text branch.
        """
        proposals = [res.bboxes for res in rpn_results_list]
        rois = bbox2roi(proposals)
        counts = [len(p) for p in proposals]
        judged = self.judge(x, rois, counts, metas).split(counts)
        return [self.select(own, meta, rescale) for own, meta in zip(judged, metas, strict=True)]

    def judge(
        self, feats: tuple[Tensor, ...], rois: Tensor, counts: list[int], metas: list[dict]
    ) -> Judgement:
        """Describe regions and classify them.

        Args:
            feats: FPN maps (B, C, h, w).
            rois: (N, 5) image index and box in network-input pixels.
            counts: Regions of each image.
            metas: Of each image, with ``img_shape``.
        """
        return self.classify(rois, self.describe(feats, rois))

    def classify(self, rois: Tensor, outputs: RegionOutputs) -> Judgement:
        """Judge regions (N, 5) by what the box head says about them."""
        return Judgement(
            rois,
            outputs.bbox_pred,
            self.class_probabilities(outputs),
            self.states(outputs),
            outputs.text_embeds,
        )

    def states(self, outputs: RegionOutputs) -> Tensor:
        """How favourable the states of regions are, (N,); 1 where states do not count."""
        if self.state_scoring is None:
            return outputs.bbox_pred.new_ones(len(outputs.bbox_pred))
        return self.state_scoring.judge(outputs)

    def select(self, judged: Judgement, meta: dict, rescale: bool) -> InstanceData:
        """The detections among the regions of one image, see :meth:`detect`."""
        bboxes = self.decode(judged.rois, judged.deltas, meta, rescale)

        def find(probabilities: Tensor, rows: Tensor | None = None) -> InstanceData:
            chosen = slice(None) if rows is None else rows
            return self._suppress(bboxes[chosen], probabilities[chosen], judged.embeds[chosen])

        if self.state_scoring is None:
            return find(judged.probabilities)
        return self.state_scoring.detect(find, judged.probabilities, judged.states)

    def decode(self, rois: Tensor, deltas: Tensor, meta: dict, rescale: bool) -> Tensor:
        """Boxes (N, 4) of one image, from regions (N, 5) and the last deltas (N, 4)."""
        coder = self.box_heads[-1].bbox_coder
        bboxes = coder.decode(rois[:, 1:], deltas, max_shape=meta["img_shape"])
        return scale_boxes(bboxes, [1 / s for s in meta["scale_factor"]]) if rescale else bboxes

    def _suppress(self, bboxes: Tensor, probabilities: Tensor, embeds: Tensor) -> InstanceData:
        """The best of overlapping boxes (n, 4) by probabilities (n, C + 1)."""
        cfg, scores = self.test_cfg, self.score_rule(probabilities)
        suppress = best_class_nms if cfg.nms.get("class_agnostic", False) else classwise_nms
        found, regions = suppress(
            bboxes, scores, self.score_thresholds().detect, cfg.nms.iou_threshold, cfg.max_per_img
        )
        found.probabilities = probabilities[regions]
        found.cls_embeds = embeds[regions]
        return found

    def distillation_losses(self, x: tuple[Tensor, ...], samples: list) -> list[Tensor]:
        """Per stage the loss of the branch that imitates CLIP, on regions encoded before.

        Nothing without a teacher.
        """
        if self.distillation is None:
            return []
        regions = [sample.regions for sample in samples]
        pooled = self.pool(x, bbox2roi([found.bboxes for found in regions]))
        teacher = torch.cat([found.embeds for found in regions])
        return [self.distillation(head.describe_image(pooled), teacher) for head in self.box_heads]

    def region_losses(
        self, x: tuple[Tensor, ...], sampling_results: list, train_cfg: dict, stage: int = -1
    ) -> dict:
        """Losses of sampled regions: text classification and box regression.

        ``text_cls_loss`` is the mean cross-entropy over all sampled regions, background included
        (DetPro, eq. 8), or weighted by the state attention; hidden classes do not compete.

        Returns:
            ``loss_bbox``, the losses, and what the next stage of a cascade wants: ``rois`` (N, 5),
            ``bbox_pred`` (N, 4) and ``bbox_targets`` with the labels.
        """
        rois = bbox2roi([res.priors for res in sampling_results])
        bbox_pred, embeds = self.describe_text(x, rois, stage)
        head = self.box_heads[stage]
        targets = head.get_targets(sampling_results, train_cfg)
        labels, _, bbox_targets, bbox_weights = targets
        losses = head.loss(None, bbox_pred, rois, labels, None, bbox_targets, bbox_weights)
        losses["text_cls_loss"] = self.text_loss(embeds, labels)
        return dict(loss_bbox=losses, rois=rois, bbox_pred=bbox_pred, bbox_targets=targets)

    def text_loss(self, embeds: Tensor, labels: Tensor) -> Tensor:
        """Classification loss of regions.

        Args:
            embeds: (N, D) unit embeddings of the text branch.
            labels: (N,) labels of the vocabulary, its length for background.
        """
        logits = self.classifier.logits(embeds, self.classifier.train_temperature)
        hidden = torch.finfo(logits.dtype).min
        if self.state_attention is None:
            return F.cross_entropy(logits.masked_fill(self.hidden_classes, hidden), labels)
        background = len(self.classifier.vocabulary)
        weights = self.state_attention(embeds, labels, background)
        logits = self.state_attention.scale_logits(logits, weights)
        losses = F.cross_entropy(
            logits.masked_fill(self.hidden_classes, hidden), labels, reduction="none"
        )
        return self.state_attention.reduce(losses, weights)
