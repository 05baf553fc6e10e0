"""A two-stage detector whose classes are words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.features.encoder import RegionEncoder
from detpro.models.key_map import convert_detector_keys
from vovtrack.errors import InputError, one_of
from vovtrack.ops.boxes import scale_boxes
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.structures.thresholds import ScoreThresholds

DETECTOR_PARTS = ("backbone", "neck", "rpn_head", "roi_head")
"""Parts that may be frozen."""


@MODELS.register_module()
class OpenVocabDetector(TwoStageDetector):
    """Two-stage detector with a vocabulary that may be replaced at run time.

    Checkpoints of the released DetPro and OVTrack code load directly: their key names are
    translated on the way in.

    Args:
        vocabulary: The classes, anything :meth:`Vocabulary.load` takes: ``lvis_v1``,
            ``tao_validation``, ``tao_test``, an annotation file, or a list of names.
        freeze: Parts that do not train, of ``backbone``, ``neck``, ``rpn_head``, ``roi_head``. With
            ``rpn_head`` its losses are dropped.
        frozen_bn: What batch statistics of frozen parts do in training: ``eval`` keeps them,
            ``train`` lets them drift, as the released training does (its backbone excepted, whose
            own ``norm_eval`` keeps them).
        region_teacher: Config of the CLIP that encodes regions whose features were not loaded.
        **kwargs: Parts of mmdet's ``TwoStageDetector``.

    Raises:
        InputError: An unknown part or choice.
    """

    def __init__(
        self,
        vocabulary: str | Sequence[str] | Vocabulary = "lvis_v1",
        freeze: Sequence[str] = (),
        frozen_bn: Literal["eval", "train"] = "eval",
        region_teacher: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        for name in freeze:
            one_of("freeze", name, DETECTOR_PARTS)
        one_of("frozen_bn", frozen_bn, ("eval", "train"))
        self.freeze, self.frozen_bn = tuple(freeze), frozen_bn
        for name in freeze:
            getattr(self, name).requires_grad_(False)
        self.region_encoder = (
            RegionEncoder(MODELS.build(region_teacher)) if region_teacher else None
        )
        self._register_load_state_dict_pre_hook(self._convert_keys)
        self.set_classes(vocabulary)

    @property
    def embed_dims(self) -> int:
        """Dimension of the class embeddings that :meth:`set_classes` takes."""
        return self.roi_head.classifier.bank.shape[1]

    def train(self, mode: bool = True) -> OpenVocabDetector:
        """Set training mode; frozen batch statistics stay as ``frozen_bn`` says."""
        super().train(mode)
        if mode and self.frozen_bn == "eval":
            for name in self.freeze:
                getattr(self, name).eval()
        return self

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of a batch, see mmdet's ``TwoStageDetector``.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``gt_instances`` in network-input pixels, and with
                ``regions`` if the model distils.
        """
        self._encode_regions(batch_inputs, batch_data_samples)
        if "rpn_head" not in self.freeze:
            return super().loss(batch_inputs, batch_data_samples)
        trained = {"backbone", "neck"} - set(self.freeze)
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(trained)):
            feats = self.extract_feat(batch_inputs)
        with torch.no_grad():
            proposals = self.rpn_head.predict(feats, batch_data_samples, rescale=False)
        return self.roi_head.loss(feats, proposals, batch_data_samples)

    @torch.no_grad()
    def judge_states(self, batch_inputs: Tensor, batch_data_samples: list) -> list[InstanceData]:
        """Detections and how trackable they look to the state attention.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``img_shape`` and ``scale_factor``.

        Returns:
            Per image ``bboxes`` (n, 4) in original pixels, ``scores``, ``labels`` and
            ``state_weights`` (n,) in [0, 1].

        Raises:
            InputError: The model has no state attention.
        """
        attention = self.roi_head.state_attention
        if attention is None:
            raise InputError(
                "This model has no state attention: use a config of stage 2, for example "
                "configs/mini/detpro_state.py."
            )
        feats = self.extract_feat(batch_inputs)
        proposals = self.rpn_head.predict(feats, batch_data_samples, rescale=False)
        metas = [sample.metainfo for sample in batch_data_samples]
        found = self.roi_head.detect(feats, proposals, metas)
        rois = bbox2roi([instances.bboxes for instances in found])
        embeds = self.roi_head.describe_text(feats, rois)[1]
        weights = attention.clamp(attention.probability(embeds))
        for instances, own, meta in zip(
            found, weights.split([len(i) for i in found]), metas, strict=True
        ):
            instances.state_weights = own
            instances.bboxes = scale_boxes(instances.bboxes, [1 / s for s in meta["scale_factor"]])
        return found

    def _encode_regions(self, images: Tensor, samples: list) -> None:
        """Add the teacher's embeddings to regions that came without."""
        missing = [
            number
            for number, sample in enumerate(samples)
            if "regions" in sample and "embeds" not in sample.regions
        ]
        if not missing:
            return
        if self.region_encoder is None:
            raise InputError(
                f"{len(missing)} of {len(samples)} images came without region features: make a "
                "bank with 'vovtrack features extract', or set model.region_teacher to encode "
                "them online."
            )
        raw = self.data_preprocessor
        boxes = [samples[number].regions.bboxes for number in missing]
        pictures = []
        for number in missing:
            # Padding would be seen as part of the picture.
            height, width = samples[number].img_shape
            pixels = images[number, :, :height, :width] * raw.std + raw.mean
            pictures.append(pixels.round().clamp(0, 255).to(torch.uint8))
        self.region_encoder.clip.to(images.device)
        found = self.region_encoder.encode_images(pictures, boxes)
        for number, embeds in zip(missing, found, strict=True):
            samples[number].regions.embeds = embeds.to(images.device)

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes in use; predicted labels index it."""
        return self.roi_head.classifier.vocabulary

    @property
    def score_thresholds(self) -> ScoreThresholds:
        """What the scores of detections are good for, with the classes in use."""
        return self.roi_head.score_thresholds()

    def set_classes(
        self,
        classes: Sequence[str] | str | Path | Vocabulary,
        embeds: Tensor | None = None,
    ) -> None:
        """Detect other classes from now on.

        Args:
            classes: Names ("striped red star"), a :class:`Vocabulary`, or what
                :meth:`Vocabulary.parse` takes.
            embeds: (C, D) text embeddings of the classes; encoded or read if not given.

        Raises:
            InputError: No names, blank or repeated names, or no way to embed them.
        """
        self.roi_head.set_vocabulary(Vocabulary.parse(classes), embeds)

    def _convert_keys(self, state_dict: dict, prefix: str, *_) -> None:
        if not prefix:
            convert_detector_keys(state_dict)
