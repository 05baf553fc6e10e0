"""Stage 4: association learned from clips of raw video, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal, NamedTuple

import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import nms

from ovtrack.models.clustering import kmeans, modal_cluster
from ovtrack.models.embedding_tracker import in_order
from ovtrack.models.ovtrack import OVTrack
from vovtrack.errors import InputError, one_of
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
        """Only the objects marked in (sum n_t,) on the CPU, in the order of frames."""
        sizes = [int(own.sum()) for own in kept.split([len(rows) for rows in self.embeds])]
        places = kept.nonzero()[:, 0].to(self.embeds[0].device, non_blocking=True)
        joined = (torch.cat(list(field)) for field in self)
        return ClipObjects(*(rows.index_select(0, places).split(sizes) for rows in joined))


@MODELS.register_module()
class SelfSupervisedOVTrack(OVTrack):
    """OVTrack that learns its embedding head from clips of raw video.

    The frozen detector finds objects in every frame; their class probabilities are clustered, and
    inside a cluster objects must return to themselves over the frames (VOVTrack, Qian et al.,
    ICCV 2025, self-supervised object association).

    Args:
        cycle_loss: Config of the loss over frames; None, here and below, has none.
        spatial_loss: Config of the loss over places.
        tracklet_loss: Config of the contrast of tracklets, which the paper has not.
        num_clusters: Clusters of class probabilities in a clip.
        clusters: ``modal`` learns from the largest cluster alone, as released; ``each`` from all
            of them, every one in the share of its objects.
        coordinates: Where boxes of different frames are compared: ``input``, pixels of the
            separately augmented frames, as released; ``source``, pixels of the original frames.
        score_thr: Objects with a smaller score do not take part; None takes all that the detector
            reports, which at its low threshold is mostly background. Scores of a head that repeats
            the softmax, as released, are far below 1 and shrink with the number of classes.
        max_overlap: Objects that overlap a better one by a larger IoU do not take part, for both
            may show one thing; the tracker leaves them out at 0.3. None takes all.
        cluster_seed: Of the clustering.
        **kwargs: Of :class:`OVTrack`.

    Raises:
        InputError: An unknown choice, no loss, or a ``score_thr`` that no detection can reach.
    """

    def __init__(
        self,
        cycle_loss: dict | None = None,
        spatial_loss: dict | None = None,
        tracklet_loss: dict | None = None,
        num_clusters: int = 8,
        clusters: Literal["modal", "each"] = "modal",
        coordinates: Literal["input", "source"] = "input",
        score_thr: float | None = None,
        max_overlap: float | None = None,
        cluster_seed: int = 42,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        one_of("clusters", clusters, ("modal", "each"))
        one_of("coordinates", coordinates, ("input", "source"))
        head = self.detector.roi_head
        best = head.best_score()
        if score_thr is not None and score_thr > best:
            raise InputError(
                f"model.score_thr={score_thr}: no object would take part, for scores are at most "
                f"{best:.4g} with {type(head.score_rule).__name__} and "
                f"{len(self.vocabulary)} classes. Choose a smaller threshold, or None."
            )
        if self.class_head is not None:
            # Raw video says nothing about classes.
            self.class_head.requires_grad_(False)
        parts = [
            MODELS.build(part) if part else None
            for part in (cycle_loss, spatial_loss, tracklet_loss)
        ]
        if not any(parts):
            raise InputError(
                "The model has nothing to learn from: set model.cycle_loss, model.spatial_loss or "
                "model.tracklet_loss."
            )
        self.cycle_loss, self.spatial_loss, self.tracklet_loss = parts
        self.num_clusters = num_clusters
        self.clusters = clusters
        self.coordinates = coordinates
        self.score_thr = score_thr
        self.max_overlap = max_overlap
        self.cluster_seed = cluster_seed

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of a batch of clips, averaged over clips, and what they are made from.

        A clip without detections, or with a single one, has nothing to compare and adds 0.

        Args:
            batch_inputs: (B * T, 3, H, W) normalised frames, clip after clip.
            batch_data_samples: Their samples with ``clip_length`` T, and with
                ``homography_matrix`` for source coordinates.

        Returns:
            See :meth:`clip_loss`.
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        length = metas[0]["clip_length"]
        places, found, embeds = [], [], []
        for view in self.look(batch_inputs, batch_data_samples, num_views=length):
            with torch.no_grad():
                own = [metas[image] for image in view.images]
                objects = self.select(self.detector.detect(view.feats, view.proposals, own))
            places.append(view.images)
            found.append(objects)
            embeds.append(self.embed_view(view, [instances.bboxes for instances in objects]))
        frames, rows = in_order(places, found), in_order(places, embeds)
        clips = [
            self.clip_loss(self._objects(*part))
            for part in zip(
                _chunks(rows, length), _chunks(frames, length), _chunks(metas, length), strict=True
            )
        ]
        means = {n: reduce(torch.add, (clip[n] for clip in clips)) / len(clips) for n in clips[0]}
        if not any(map(len, frames)):
            # Several processes wait for each other's gradients, so there must be some.
            name = next(name for name in means if name.startswith("loss"))
            means[name] += 0 * sum(p.sum() for p in self.track_head.parameters())
        return means

    def select(self, found: list[InstanceData]) -> list[InstanceData]:
        """The detections that take part, of those of each frame, best first."""
        if self.max_overlap is not None:
            found = [own[nms(own.bboxes, own.scores, self.max_overlap)] for own in found]
        if self.score_thr is not None:
            # The best come first: to count them is enough, and is one transfer for all frames.
            counts = torch.stack([(own.scores >= self.score_thr).sum() for own in found])
            found = [own[:count] for own, count in zip(found, counts.tolist(), strict=True)]
        return found

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
        """Losses of one clip.

        Returns:
            ``loss_cycle``, ``loss_spatial`` and ``loss_tracklet``, those that there are; for the
            log ``objects`` that take part, ``clusters`` that were found and ``empty_clips``, 1 if
            there are no two objects to compare. What is logged is known on the CPU and costs no
            transfer.
        """
        labels = kmeans(
            torch.cat(list(objects.probabilities)), self.num_clusters, seed=self.cluster_seed
        ).cpu()
        found = labels.unique()
        if self.clusters == "modal" or len(labels) == 0:
            groups = [modal_cluster(labels)]
        else:
            groups = [labels == cluster for cluster in found]
        sizes = [int(group.sum()) for group in groups]
        losses: dict[str, Tensor] = {}
        for group, size in zip(groups, sizes, strict=True):
            for name, value in self._group_loss(objects.keep(group)).items():
                losses[name] = losses.get(name, 0) + value * (size / max(sum(sizes), 1))
        counts = dict(objects=sum(sizes), clusters=len(found), empty_clips=sum(sizes) < 2)
        return losses | {name: torch.tensor(float(count)) for name, count in counts.items()}

    def _group_loss(self, objects: ClipObjects) -> dict[str, Tensor]:
        losses = {}
        if self.cycle_loss is not None:
            losses["loss_cycle"] = self.cycle_loss(objects.embeds)
        if self.spatial_loss is not None:
            losses["loss_spatial"] = self.spatial_loss(
                objects.embeds, objects.bboxes, objects.scores
            )
        if self.tracklet_loss is not None:
            losses["loss_tracklet"] = self.tracklet_loss(objects.embeds, objects.bboxes)
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
    boxes.project_(inverse.to(bboxes, non_blocking=True))
    return boxes.tensor


def _chunks(items: Sequence, length: int) -> list[Sequence]:
    return [items[start : start + length] for start in range(0, len(items), length)]
