"""Stage 4: association learned from clips of raw video, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from mmdet.structures.bbox import HorizontalBoxes, bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import nms

from detpro.models.detector import DETECTOR_PARTS
from ovtrack.models.ovtrack import OVTrack
from vovtrack.errors import InputError
from vovtrack.ops.clustering import kmeans, modal_cluster
from vovtrack.registry import MODELS


class ClipObjects(NamedTuple):
    """The detections of the T frames of a clip, T tensors each."""

    embeds: Sequence[Tensor]
    """(n_t, D) appearance embeddings, with gradients."""
    bboxes: Sequence[Tensor]
    """(n_t, 4) in the coordinates in which frames are compared."""
    scores: Sequence[Tensor]
    """(n_t,)."""
    probabilities: Sequence[Tensor]
    """(n_t, C + 1) class probabilities."""

    def keep(self, kept: Tensor) -> ClipObjects:
        """Only the objects marked in (sum n_t,), in the order of frames."""
        masks = kept.split([len(rows) for rows in self.embeds])
        return ClipObjects(
            *([rows[mask] for rows, mask in zip(field, masks, strict=True)] for field in self)
        )


@MODELS.register_module()
class SelfSupervisedOVTrack(OVTrack):
    """OVTrack that learns its embedding head from clips of raw video.

    The frozen detector finds objects in every frame; their class probabilities are clustered, and
    inside a cluster objects must return to themselves over the frames (VOVTrack, Qian et al.,
    ICCV 2025, self-supervised object association).

    Args:
        cycle_loss: Config of the loss over frames.
        spatial_loss: Config of the loss over places; None has none.
        num_clusters: Clusters of class probabilities in a clip.
        clusters: ``modal`` learns from the largest cluster alone, as released; ``each`` from all
            of them, every one in the share of its objects.
        coordinates: Where boxes of different frames are compared: ``input``, pixels of the
            separately augmented frames, as released; ``source``, pixels of the original frames.
        score_thr: Objects with a smaller score do not take part; None takes all that the detector
            reports, which at its low threshold is mostly background.
        max_overlap: Objects that overlap a better one by a larger IoU do not take part, for both
            may show one thing; the tracker leaves them out at 0.3. None takes all.
        cluster_seed: Of the clustering.
        **kwargs: Of :class:`OVTrack`.

    Raises:
        InputError: An unknown choice.
    """

    def __init__(
        self,
        cycle_loss: dict,
        spatial_loss: dict | None = None,
        num_clusters: int = 8,
        clusters: Literal["modal", "each"] = "modal",
        coordinates: Literal["input", "source"] = "input",
        score_thr: float | None = None,
        max_overlap: float | None = None,
        cluster_seed: int = 42,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if clusters not in ("modal", "each") or coordinates not in ("input", "source"):
            raise InputError(
                f"clusters={clusters!r}, coordinates={coordinates!r}: expected 'modal' or 'each', "
                "and 'input' or 'source'."
            )
        self.cycle_loss = MODELS.build(cycle_loss)
        self.spatial_loss = spatial_loss and MODELS.build(spatial_loss)
        self.num_clusters = num_clusters
        self.clusters = clusters
        self.coordinates = coordinates
        self.score_thr = score_thr
        self.max_overlap = max_overlap
        self.cluster_seed = cluster_seed

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of a batch of clips, averaged over clips.

        A clip without detections, or with a single one, has nothing to compare and adds 0.

        Args:
            batch_inputs: (B * T, 3, H, W) normalised frames, clip after clip.
            batch_data_samples: Their samples with ``clip_length`` T, and with
                ``homography_matrix`` for source coordinates.
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        trained = set(DETECTOR_PARTS) - set(self.freeze)
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(trained)):
            feats = self.extract_feat(batch_inputs)
        with torch.no_grad():
            proposals = self.rpn_head.predict(feats, batch_data_samples, rescale=False)
            found = self.roi_head.detect(feats, proposals, metas)
            found = [self._select(instances) for instances in found]
        rois = bbox2roi([instances.bboxes for instances in found])
        embeds = self.embed(feats, rois).split([len(instances) for instances in found])
        length = metas[0]["clip_length"]
        losses = [
            self.clip_loss(self._objects(*part))
            for part in zip(
                _chunks(embeds, length), _chunks(found, length), _chunks(metas, length), strict=True
            )
        ]
        means = {name: sum(loss[name] for loss in losses) / len(losses) for name in losses[0]}
        if len(rois) == 0:
            # Several processes wait for each other's gradients, so there must be some.
            means["loss_cycle"] += 0 * sum(p.sum() for p in self.track_head.parameters())
        return means

    def _select(self, instances: InstanceData) -> InstanceData:
        """The detections of a frame that take part."""
        if self.score_thr is not None:
            instances = instances[instances.scores >= self.score_thr]
        if self.max_overlap is not None:
            instances = instances[nms(instances.bboxes, instances.scores, self.max_overlap)]
        return instances

    def _objects(
        self, embeds: Sequence[Tensor], found: Sequence[InstanceData], metas: Sequence[dict]
    ) -> ClipObjects:
        boxes = [instances.bboxes for instances in found]
        if self.coordinates == "source":
            boxes = [to_source(b, meta) for b, meta in zip(boxes, metas, strict=True)]
        return ClipObjects(
            embeds,
            boxes,
            [instances.scores for instances in found],
            [instances.probabilities for instances in found],
        )

    def clip_loss(self, objects: ClipObjects) -> dict[str, Tensor]:
        """Losses of one clip."""
        labels = kmeans(
            torch.cat(list(objects.probabilities)), self.num_clusters, seed=self.cluster_seed
        )
        if self.clusters == "modal" or len(labels) == 0:
            return self._group_loss(objects.keep(modal_cluster(labels)))
        sizes = torch.bincount(labels).tolist()
        losses: dict[str, Tensor] = {}
        for cluster, size in enumerate(sizes):
            group = self._group_loss(objects.keep(labels == cluster)) if size else {}
            for name, value in group.items():
                losses[name] = losses.get(name, 0) + value * (size / len(labels))
        return losses

    def _group_loss(self, objects: ClipObjects) -> dict[str, Tensor]:
        losses = dict(loss_cycle=self.cycle_loss(objects.embeds))
        if self.spatial_loss is not None:
            losses["loss_spatial"] = self.spatial_loss(
                objects.embeds, objects.bboxes, objects.scores
            )
        return losses


def to_source(bboxes: Tensor, meta: dict) -> Tensor:
    """Boxes (n, 4) of the network input in pixels of the original frame.

    Args:
        bboxes: Network-input pixels.
        meta: Meta information with the homography from the original frame to the network input;
            without one nothing moved.

    Returns:
        (n, 4) hulls of the moved corners.
    """
    homography = meta.get("homography_matrix")
    if homography is None or len(bboxes) == 0:
        return bboxes
    inverse = torch.linalg.inv(torch.as_tensor(homography, dtype=torch.float64))
    boxes = HorizontalBoxes(bboxes.clone())
    boxes.project_(inverse.to(bboxes))
    return boxes.tensor


def _chunks(items: Sequence, length: int) -> list[Sequence]:
    return [items[start : start + length] for start in range(0, len(items), length)]
