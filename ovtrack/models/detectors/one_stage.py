"""A detector without region head, for trackers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.detectors import SingleStageDetector
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from detpro.models.postprocess import nms_where
from vovtrack.ops.boxes import scale_boxes
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds


@MODELS.register_module()
class ClosedSetYOLOX(SingleStageDetector):
    """YOLOX (Ge et al., arXiv 2107.08430) of fixed classes as the detector of a tracker.

    Layers, losses and arguments are mmdet's. It is a ``Detector`` of
    :mod:`ovtrack.models.embedding_tracker`, and trains by :meth:`learn`. Boxes are not clipped to
    the image.

    Args:
        roi_extractor: Config of what pools regions from the neck's maps.
        score_thresholds: What scores are good for, fields of :class:`ScoreThresholds`; a detection
            exists above ``test_cfg.score_thr``.
        **kwargs: Parts of mmdet's ``YOLOX``. ``test_cfg`` and ``train_cfg.proposals`` say which
            boxes are detections, and proposals in training: ``score_thr`` from which they count,
            ``nms_pre`` best ones (default: all) that are suppressed inside their class by
            ``nms.iou_threshold``, and ``max_per_img`` (default: all) that stay.
    """

    def __init__(
        self, roi_extractor: dict, score_thresholds: dict[str, float] | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.roi_extractor = MODELS.build(roi_extractor)
        self.score_thresholds = ScoreThresholds(
            detect=self.test_cfg.score_thr, **(score_thresholds or {})
        )

    def propose(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[tuple[Tensor, ...], list[InstanceData]]:
        """Where objects are, by ``train_cfg.proposals`` in training, else by ``test_cfg``.

        Args:
            batch_inputs: (B, 3, H, W) images.
            batch_data_samples: B samples; not used.

        Returns:
            Pyramid of maps (B, C, h, w); per image the objects, without gradients: ``bboxes``
            (n, 4), network-input pixels, ``scores`` (n,) descending, ``labels`` (n,) and
            ``probabilities`` (n, C + 1).
        """
        feats = self.extract_feat(batch_inputs)
        with torch.no_grad():
            return feats, self._objects(self.bbox_head(feats))

    def learn(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...], list[InstanceData]]:
        """The detector's own losses, and what trackers train on.

        Args:
            batch_inputs: (B, 3, H, W) images.
            batch_data_samples: B samples with ``gt_instances`` (``bboxes`` in network-input pixels,
                ``labels``).

        Returns:
            Losses by name; maps and proposals of :meth:`propose`.
        """
        feats = self.extract_feat(batch_inputs)
        maps = self.bbox_head(feats)
        objects = [sample.gt_instances for sample in batch_data_samples]
        metas = [sample.metainfo for sample in batch_data_samples]
        # Half precision would round the sides of boxes to multiples of several pixels.
        with torch.autocast(batch_inputs.device.type, enabled=False):
            full = [[level.float() for level in kind] for kind in maps]
            losses = self.bbox_head.loss_by_feat(*full, objects, metas)
        with torch.no_grad():
            return losses, feats, self._objects(maps)

    def detect(
        self,
        feats: tuple[Tensor, ...],
        proposals: list[InstanceData],
        metas: list[dict],
        rescale: bool = False,
    ) -> list[InstanceData]:
        """The objects that :meth:`propose` found: without a region head they are final.

        Args:
            feats: Not used.
            proposals: Of each image.
            metas: Of each image, with ``scale_factor``.
            rescale: Return boxes in original instead of network-input pixels.
        """
        if not rescale:
            return proposals
        found = []
        for objects, meta in zip(proposals, metas, strict=True):
            factors = [1 / factor for factor in meta["scale_factor"]]
            rescaled = objects.new()
            rescaled.bboxes = scale_boxes(objects.bboxes, factors)
            found.append(rescaled)
        return found

    def pool(self, feats: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """Features (N, C, S, S) of ``rois`` (N, 5), image and box in network-input pixels."""
        return self.roi_extractor(feats, rois)

    def _objects(self, maps: Sequence[Sequence[Tensor]]) -> list[InstanceData]:
        """The objects of each image by classes (B, C, h, w), boxes and objectness of each level."""
        cfg = self.train_cfg.proposals if self.training and self.train_cfg else self.test_cfg
        head = self.bbox_head
        priors = head.prior_generator.grid_priors(
            [level.shape[-2:] for level in maps[0]], device=maps[0][0].device, with_stride=True
        )
        flat = [
            torch.cat([level.detach().flatten(2) for level in kind], dim=2).mT.float()
            for kind in maps
        ]
        return [
            self._choose(torch.cat(priors), *image, cfg=cfg) for image in zip(*flat, strict=True)
        ]

    def _choose(
        self, priors: Tensor, logits: Tensor, deltas: Tensor, objectness: Tensor, *, cfg: ConfigDict
    ) -> InstanceData:
        """The objects of one image, of boxes at ``priors`` (N, 4)."""
        best, labels = logits.max(dim=1)
        present = objectness[:, 0].sigmoid()
        scores = best.sigmoid() * present
        rows = _candidates(scores, cfg.score_thr, cfg.get("nms_pre"))
        scores, labels = scores[rows], labels[rows]
        bboxes = self.bbox_head._bbox_decode(priors[rows], deltas[rows])
        # Classes lie beside each other, so that boxes of two classes do not overlap.
        side = bboxes.max() - bboxes.min() + 1 if len(bboxes) else 1
        apart = bboxes + (labels * side)[:, None]
        kept = nms_where(scores >= cfg.score_thr, apart, scores, cfg.nms.iou_threshold)
        kept = kept[: cfg.get("max_per_img")]
        rows, present = rows[kept], present[rows[kept], None]
        return InstanceData(
            bboxes=bboxes[kept],
            scores=scores[kept],
            labels=labels[kept],
            probabilities=torch.cat([logits[rows].sigmoid() * present, 1 - present], dim=1),
        )


def _candidates(scores: Tensor, score_thr: float, count: int | None) -> Tensor:
    """Places of the ``count`` best of ``scores`` (N,); without a count of all above a threshold.

    The host waits for the number of those above.
    """
    if count is None:
        return (scores >= score_thr).nonzero()[:, 0]
    return scores.topk(min(count, len(scores))).indices
