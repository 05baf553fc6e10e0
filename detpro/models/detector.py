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
from detpro.models.key_map import DETECTOR_KEYS
from detpro.models.roi_extractor import PackedMaps
from vovtrack.errors import InputError
from vovtrack.models.freezing import FreezesParts
from vovtrack.ops.boxes import scale_boxes
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.structures.thresholds import ScoreThresholds


@MODELS.register_module()
class OpenVocabDetector(FreezesParts, TwoStageDetector):
    """Two-stage detector with a vocabulary that may be replaced at run time.

    Checkpoints of the released DetPro code load directly: their key names are translated on the
    way in. Trackers use it by :meth:`propose`, :meth:`detect` and :meth:`pool`.

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
        self.freeze = tuple(freeze)
        self.freeze_parts(freeze, frozen_bn)
        self.region_encoder = (
            RegionEncoder(MODELS.build(region_teacher)) if region_teacher else None
        )
        self._register_load_state_dict_pre_hook(self._convert_keys)
        self.set_classes(vocabulary)

    @property
    def embed_dims(self) -> int:
        """Dimension of the class embeddings that :meth:`set_classes` takes."""
        return self.roi_head.classifier.bank.shape[1]

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

    def propose(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[PackedMaps, list[InstanceData]]:
        """Where objects may be, and the maps from which regions are described.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``img_shape``.

        Returns:
            Maps for :meth:`detect` and :meth:`pool`; per image the proposals, without gradients:
            ``bboxes`` (n, 4), network-input pixels.
        """
        feats = self.extract_feat(batch_inputs)
        with torch.no_grad():
            proposals = self.rpn_head.predict(feats, batch_data_samples, rescale=False)
        return self.roi_head.bbox_roi_extractor.prepare(feats), proposals

    def detect(
        self,
        feats: tuple[Tensor, ...] | PackedMaps,
        proposals: list[InstanceData],
        metas: list[dict],
        rescale: bool = False,
    ) -> list[InstanceData]:
        """The objects among proposals, see :meth:`OpenVocabHead.detect`."""
        return self.roi_head.detect(feats, proposals, metas, rescale)

    def pool(self, feats: tuple[Tensor, ...] | PackedMaps, rois: Tensor) -> Tensor:
        """Features (N, C, S, S) of ``rois`` (N, 5), image and box in network-input pixels."""
        return self.roi_head.pool(feats, rois)

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
        feats, proposals = self.propose(batch_inputs, batch_data_samples)
        metas = [sample.metainfo for sample in batch_data_samples]
        found = self.detect(feats, proposals, metas)
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
        DETECTOR_KEYS.apply(state_dict, prefix)
