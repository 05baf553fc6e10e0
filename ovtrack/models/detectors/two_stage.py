"""Region proposals and a box head, for trackers."""

from __future__ import annotations

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.postprocess import classwise_nms
from vovtrack.ops.boxes import scale_boxes
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds


@MODELS.register_module()
class ClosedSetRCNN(TwoStageDetector):
    """Faster R-CNN (Ren et al., NeurIPS 2015) of fixed classes as the detector of a tracker.

    Layers, losses and arguments are mmdet's. It is a ``Detector`` of
    :mod:`ovtrack.models.embedding_tracker`, and trains by :meth:`learn`.

    Args:
        score_thresholds: What scores are good for, fields of :class:`ScoreThresholds`; a detection
            exists above ``test_cfg.rcnn.score_thr``.
        **kwargs: Parts of mmdet's ``TwoStageDetector``, whose ``roi_head`` is a
            ``StandardRoIHead``.
    """

    def __init__(self, score_thresholds: dict[str, float] | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.score_thresholds = ScoreThresholds(
            detect=self.test_cfg.rcnn.score_thr, **(score_thresholds or {})
        )

    def propose(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[tuple[Tensor, ...], list[InstanceData]]:
        """Where objects may be.

        In training proposals are made by ``train_cfg.rpn_proposal``, else by ``test_cfg.rpn``.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``img_shape``.

        Returns:
            Pyramid of maps (B, C, h, w); per image the proposals, without gradients: ``bboxes``
            (n, 4), network-input pixels, clipped to the image, and ``scores`` (n,).
        """
        feats = self.extract_feat(batch_inputs)
        cfg = self.train_cfg.rpn_proposal if self.training and self.train_cfg else None
        metas = [sample.metainfo for sample in batch_data_samples]
        with torch.no_grad():
            maps = self.rpn_head(feats)
            return feats, self.rpn_head.predict_by_feat(*maps, batch_img_metas=metas, cfg=cfg)

    def learn(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...], list[InstanceData]]:
        """The detector's own losses, and what trackers train on.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``img_shape``, ``pad_shape`` and ``gt_instances``
                (``bboxes`` in network-input pixels, ``labels``), which stay as they are.

        Returns:
            Losses by name; maps and proposals of :meth:`propose`.
        """
        feats = self.extract_feat(batch_inputs)
        losses, proposals = self.rpn_head.loss_and_predict(
            feats,
            [_without_classes(sample) for sample in batch_data_samples],
            proposal_cfg=self.train_cfg.rpn_proposal,
        )
        # mmdet's head renames the fields of what it is given.
        own = [InstanceData(bboxes=found.bboxes) for found in proposals]
        losses |= self.roi_head.loss(feats, own, batch_data_samples)
        return {name: _total(loss) for name, loss in losses.items()}, feats, proposals

    def detect(
        self,
        feats: tuple[Tensor, ...],
        proposals: list[InstanceData],
        metas: list[dict],
        rescale: bool = False,
    ) -> list[InstanceData]:
        """The objects among proposals.

        Args:
            feats: Maps of :meth:`propose`.
            proposals: Of each image.
            metas: Of each image, with ``img_shape`` and ``scale_factor``.
            rescale: Return boxes in original instead of network-input pixels.

        Returns:
            Per image ``bboxes`` (n, 4), clipped to the image, ``scores`` (n,) descending,
            ``labels`` (n,) and ``probabilities`` (n, C + 1).
        """
        rois = bbox2roi([found.bboxes for found in proposals])
        scores, deltas = self.roi_head.bbox_head(self.pool(feats, rois))
        parts = (rois[:, 1:], scores.float().softmax(dim=1), deltas.float())
        counts = [len(found) for found in proposals]
        per_image = zip(*(part.split(counts) for part in parts), strict=True)
        return [
            self.choose(*image, meta=meta, rescale=rescale)
            for image, meta in zip(per_image, metas, strict=True)
        ]

    def choose(
        self,
        regions: Tensor,
        probabilities: Tensor,
        deltas: Tensor,
        *,
        meta: dict,
        rescale: bool = False,
    ) -> InstanceData:
        """The objects of one image by what the box head says of its regions.

        Args:
            regions: (N, 4) network-input pixels.
            probabilities: (N, C + 1) of the classes and the background.
            deltas: (N, 4 C) from region to box, or (N, 4) if classes share one.
            meta: As of :meth:`detect`.
            rescale: As of :meth:`detect`.
        """
        cfg, head = self.test_cfg.rcnn, self.roi_head.bbox_head
        # Classes that share their deltas share a box.
        by_class = deltas.unflatten(1, (-1, 4))
        starts = regions[:, None].expand_as(by_class)
        bboxes = head.bbox_coder.decode(
            starts.flatten(0, 1), by_class.flatten(0, 1), max_shape=meta["img_shape"]
        )
        found, rows = classwise_nms(
            bboxes.view_as(by_class),
            probabilities[:, :-1],
            cfg.score_thr,
            cfg.nms.iou_threshold,
            cfg.max_per_img,
        )
        if rescale:
            found.bboxes = scale_boxes(found.bboxes, [1 / f for f in meta["scale_factor"]])
        found.probabilities = probabilities[rows]
        return found

    def pool(self, feats: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Features (N, C, S, S) of ``rois`` (N, 5), image and box in network-input pixels."""
        extractor = self.roi_head.bbox_roi_extractor
        return extractor(feats[: extractor.num_inputs], rois)


def _without_classes(sample: DetDataSample) -> DetDataSample:
    """The sample for a head that tells objects from background; the given one stays as it is."""
    known = sample.gt_instances
    plain = DetDataSample(metainfo=sample.metainfo)
    plain.gt_instances = InstanceData(bboxes=known.bboxes, labels=torch.zeros_like(known.labels))
    if "ignored_instances" in sample:
        plain.ignored_instances = sample.ignored_instances
    return plain


def _total(loss: Tensor | list[Tensor]) -> Tensor:
    """A loss that mmdet may give as one part per level."""
    return torch.stack(loss).sum() if isinstance(loss, list) else loss
