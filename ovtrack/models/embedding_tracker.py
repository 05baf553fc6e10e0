"""A detector, an embedding head and a tracker: quasi-dense tracking, whatever finds the objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import torch
from mmdet.models.tracking_heads import QuasiDenseEmbedHead
from mmdet.structures.bbox import bbox2roi
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ovtrack.models.pairs import PairSampler, pairs_of
from ovtrack.trackers.appearance import AppearanceTracker
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.errors import InputError
from vovtrack.models.freezing import FreezesParts
from vovtrack.ops.boxes import scale_boxes
from vovtrack.ops.transfer import to_host
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers.contract import DETECTION, link, pick, share_thresholds

T = TypeVar("T")
DETECTOR_PARTS = ("backbone", "neck", "rpn_head", "roi_head")
"""Parts of a two-stage detector."""


class Detector(Protocol):
    """What :class:`EmbeddingTracker` asks of a detector, which is an mmengine ``BaseModel``.

    Attributes:
        data_preprocessor: Prepares images as the detector wants them.
        score_thresholds: What the scores of its detections are good for.
    """

    data_preprocessor: nn.Module
    score_thresholds: ScoreThresholds

    def propose(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[Any, list[InstanceData]]:
        """Where objects may be.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``img_shape``.

        Returns:
            Maps for :meth:`detect` and :meth:`pool`, of whatever kind; per image the proposals,
            without gradients: ``bboxes`` (n, 4), network-input pixels.
        """

    def detect(
        self, feats: Any, proposals: list[InstanceData], metas: list[dict], rescale: bool = False
    ) -> list[InstanceData]:
        """The objects among proposals.

        Args:
            feats: Maps of :meth:`propose`.
            proposals: Of each image.
            metas: Of each image, with ``img_shape`` and ``scale_factor``.
            rescale: Return boxes in original instead of network-input pixels.

        Returns:
            Per image ``bboxes`` (n, 4), ``scores`` (n,) descending and ``labels`` (n,); also what
            trackers may ask for under a name of its own, and for observations ``probabilities``
            (n, C + 1) of the classes and the background.
        """

    def pool(self, feats: Any, rois: Tensor) -> Tensor:
        """Features (N, C, S, S) of ``rois`` (N, 5), image and box in network-input pixels."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """As of any module."""


class View(NamedTuple):
    """Images of a batch that pass the detector together."""

    images: range
    """Their places in the batch."""
    feats: Any
    """Maps of the V images, from which regions are pooled."""
    proposals: list[InstanceData]
    """``bboxes`` of each image, network-input pixels."""


@MODELS.register_module()
class EmbeddingTracker(FreezesParts, BaseModel):
    """Tracks by the likeness of regions (QDTrack, Pang et al., CVPR 2021), on any detector.

    Training sees image pairs and moves the embedding head; testing sees the frames of a video in
    order. Images are prepared as the detector wants them. Checkpoints hold the detector under
    ``detector.``; those of a bare two-stage detector load directly.

    Args:
        detector: Config of a :class:`Detector`.
        track_head: Config of the embedding head.
        tracker: Config of the tracker that links detections.
        pair_sampler: Arguments of :class:`PairSampler`; None for a model that only tests.
        num_views: Images of a training item: a key image and its references.
        class_head: Config of a head of class embeddings, which a tracker may compare too, in place
            of those of the detector; None for published models.
        freeze: Parts of the detector that do not train; by default all, so that the embedding
            head trains alone. Losses of the detector itself are not computed.
        frozen_bn: What batch statistics of frozen parts do in training: ``eval`` keeps them,
            ``train`` lets them drift, as the released training does (its backbone excepted, whose
            own ``norm_eval`` keeps them).
        separate_views: In training, let the key images pass the detector by themselves and then
            the reference images (of clips: the frames of each place in time), each padded to the
            largest of its own, as the released training does. It matters where batch norms are in
            train mode (``frozen_bn="train"``): they normalise each view by its own statistics and
            update the running ones once per view. False passes all images at once.
        keep_observations: Return also ``observations``, what the tracker was given, with this
            many largest class probabilities of each detection; 0 returns none.

    Raises:
        InputError: An unknown part or choice.
    """

    key_map: ClassVar[KeyMap] = KeyMap({f"{part}.": f"detector.{part}." for part in DETECTOR_PARTS})
    """Translation of the key names of checkpoints."""

    def __init__(
        self,
        detector: dict,
        track_head: dict,
        tracker: dict,
        pair_sampler: dict | None = None,
        num_views: int = 2,
        class_head: dict | None = None,
        freeze: Sequence[str] = DETECTOR_PARTS,
        frozen_bn: Literal["eval", "train"] = "eval",
        separate_views: bool = False,
        keep_observations: int = 0,
    ) -> None:
        built = MODELS.build(detector)
        super().__init__(built.data_preprocessor)
        self.detector: Detector = built
        self.freeze_parts(freeze, frozen_bn, owner="detector")
        self.num_views = num_views
        self.separate_views = separate_views
        self.keep_observations = keep_observations
        self.track_head = MODELS.build(track_head)
        self.class_head = MODELS.build(class_head) if class_head else None
        self.tracker = MODELS.build(tracker)
        self.pair_sampler = None if pair_sampler is None else PairSampler(**pair_sampler)
        self._register_load_state_dict_pre_hook(self._convert_keys)
        share_thresholds(self.tracker, self.score_thresholds)

    @property
    def score_thresholds(self) -> ScoreThresholds:
        """What the scores of detections are good for."""
        return self.detector.score_thresholds

    def forward(
        self, inputs: Tensor, data_samples: list, mode: Literal["loss", "predict"] = "predict"
    ) -> Any:
        """Run the model as mmengine's loops do: :meth:`loss` or :meth:`predict`, by ``mode``."""
        run = self.loss if mode == "loss" else self.predict
        return run(inputs, data_samples)

    def embed(self, feats: Any, rois: Tensor) -> Tensor:
        """Appearance embeddings (N, D) of ``rois`` (N, 5), network-input pixels."""
        return self._embed(self.track_head, feats, rois)

    def _embed(self, head: QuasiDenseEmbedHead, feats: Any, rois: Tensor) -> Tensor:
        if len(rois) == 0:
            return rois.new_zeros(0, head.fc_embed.out_features)
        return head(self.detector.pool(feats, rois)).float()

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Association losses on image pairs (OVTrack, Li et al., CVPR 2023, section 3.3).

        Args:
            batch_inputs: (B * num_views, 3, H, W), the key image and the references of one item
                after the other.
            batch_data_samples: Their samples with ``gt_instances`` (``bboxes`` in network-input
                pixels, ``labels``, ``instances_ids``).

        Raises:
            InputError: The model has no ``pair_sampler``.
        """
        views = list(self.look(batch_inputs, batch_data_samples, self.num_views))
        return self.association_loss(views, batch_data_samples)

    def association_loss(
        self, views: Sequence[View], batch_data_samples: list
    ) -> dict[str, Tensor]:
        """Losses of the heads, arguments as of :meth:`loss`; ``views`` hold every image once."""
        if self.pair_sampler is None:
            raise InputError("This model only tests: set model.pair_sampler to train it on pairs.")
        places = [view.images for view in views]
        proposals = in_order(places, [view.proposals for view in views])
        regions, labels, targets = self.pair_sampler.sample(
            proposals, batch_data_samples, self.num_views
        )
        parts = [self.embed_view(view, [regions[i] for i in view.images]) for view in views]
        embeds = pairs_of(in_order(places, parts), self.num_views)
        keys, references = zip(*embeds, strict=True)
        losses = self.track_head.pair_loss(keys, references, targets)
        if self.class_head is not None:
            losses |= self._class_loss(self.class_head, views, regions, labels)
        return losses

    def _class_loss(
        self,
        head: QuasiDenseEmbedHead,
        views: Sequence[View],
        regions: Sequence[Tensor],
        labels: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Loss of class embeddings on the regions (n, 4) of each image that show an object."""
        shown = [label >= 0 for label in labels]
        embeds = [
            self._embed(
                head,
                view.feats,
                bbox2roi([regions[i][shown[i]] for i in view.images]),
            )
            for view in views
        ]
        order = [i for view in views for i in view.images]
        classes = torch.cat([labels[i][shown[i]] for i in order])
        return head.class_loss(torch.cat(embeds), classes)

    def look(
        self, batch_inputs: Tensor, batch_data_samples: list, num_views: int
    ) -> Iterator[View]:
        """Pass a training batch through the detector, see ``separate_views``.

        Args:
            batch_inputs: (B * num_views, 3, H, W), images of the views in turn.
            batch_data_samples: Their samples with ``pad_shape``.
            num_views: 2 for pairs, the number of frames for clips.

        Yields:
            Views that together hold every image once.
        """
        step = num_views if self.separate_views else 1
        for first in range(step):
            places = range(first, len(batch_inputs), step)
            yield self.look_at(places, batch_inputs, batch_data_samples)

    def look_at(self, images: range, batch_inputs: Tensor, batch_data_samples: list) -> View:
        """Pass some images of a training batch through the detector, padded to their largest."""
        inputs, samples = select_images(images, batch_inputs, batch_data_samples)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.detector_trains):
            feats, proposals = self.detector.propose(inputs, samples)
        return View(images, feats, proposals)

    @property
    def detector_trains(self) -> bool:
        """Whether any part of the detector is not frozen."""
        return any(parameter.requires_grad for parameter in self.detector.parameters())

    def embed_view(self, view: View, bboxes: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Appearance embeddings (n, D) of boxes (n, 4) of each image of a view."""
        embeds = self.embed(view.feats, bbox2roi(list(bboxes)))
        return embeds.split([len(boxes) for boxes in bboxes])

    @torch.no_grad()
    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Detect and track the consecutive frames of one video.

        Args:
            batch_inputs: (B, 3, H, W) normalised frames in order of time.
            batch_data_samples: Their samples, with ``frame_id`` (0 starts a new video).
            rescale: Return boxes in original instead of network-input pixels.

        Returns:
            The samples, with ``pred_instances`` (all detections: ``bboxes``, ``scores``,
            ``labels``) and ``pred_track_instances`` (the tracked ones, with ``instances_id``), both
            on the CPU: what was found leaves the device in one transfer per frame.
        """
        feats, proposals = self.detector.propose(batch_inputs, batch_data_samples)
        metas = [sample.metainfo for sample in batch_data_samples]
        detections = self.detector.detect(feats, proposals, metas, rescale)
        compared = self._compared(detections)
        self._embed_detections(feats, compared, batch_data_samples, rescale)
        for sample, all_dets, dets in zip(batch_data_samples, detections, compared, strict=True):
            wanted = [*DETECTION, *self.tracker.fields]
            if self.keep_observations:
                dets.top_scores, dets.top_labels = self._best_classes(dets.probabilities)
                wanted += ["embeds", "top_scores", "top_labels"]
            found = to_host(pick(dets, [name for name in wanted if name in dets]))
            sample.pred_instances = pick(found if dets is all_dets else all_dets, DETECTION)
            if self.keep_observations:
                sample.set_metainfo(dict(thresholds=self.score_thresholds))
                sample.observations = found
            if sample.frame_id == 0:
                self.tracker.reset()
            sample.pred_track_instances = link(self.tracker, found, sample.frame_id)
        return batch_data_samples

    def _compared(self, detections: list) -> list:
        """The detections of each image that are embedded: those that the tracker looks at.

        On a GPU all of them: the host would have to wait for their boxes to tell.
        """
        if self.keep_observations or not isinstance(self.tracker, AppearanceTracker):
            return detections
        if any(dets.bboxes.is_cuda for dets in detections):
            return detections
        return [
            dets[self.tracker.candidates({name: dets[name].numpy() for name in DETECTION})]
            for dets in detections
        ]

    def _best_classes(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """The largest class probabilities (n, k) of detections, and their labels."""
        count = min(self.keep_observations, probabilities.shape[1] - 1)
        return probabilities[:, :-1].float().topk(count)

    def _embed_detections(
        self, feats: Any, detections: list, samples: list, rescaled: bool
    ) -> None:
        """Add ``embeds`` to the detections of each image, and ``cls_embeds`` if there is a head.

        Without one the class embeddings are those of the detector. What neither the tracker nor the
        observations want is left out.
        """
        boxes = [
            scale_boxes(dets.bboxes, sample.scale_factor) if rescaled else dets.bboxes
            for dets, sample in zip(detections, samples, strict=True)
        ]
        heads = dict(embeds=self.track_head, cls_embeds=self.class_head)
        wanted = {*self.tracker.fields, *(["embeds"] if self.keep_observations else [])}
        for name, head in heads.items():
            if head is not None and name in wanted:
                rows = self._embed(head, feats, bbox2roi(boxes)).split([len(b) for b in boxes])
                for dets, own in zip(detections, rows, strict=True):
                    dets[name] = own

    def _convert_keys(self, state_dict: dict, prefix: str, *_: Any) -> None:
        self.key_map.apply(state_dict, prefix)


def select_images(
    images: range, batch_inputs: Tensor, batch_data_samples: list
) -> tuple[Tensor, list]:
    """Some images of a batch, padded only to the largest of them, and their samples."""
    samples = [batch_data_samples[place] for place in images]
    height, width = (max(sample.pad_shape[side] for sample in samples) for side in (0, 1))
    return batch_inputs[images.start :: images.step, :, :height, :width], samples


def in_order(places: Sequence[Sequence[int]], parts: Sequence[Sequence[T]]) -> list[T]:
    """Join what belongs to the images of each view, in the order of the batch.

    Args:
        places: Places in the batch of the images of each view.
        parts: As many items for each.
    """
    found = {
        place: item
        for images, items in zip(places, parts, strict=True)
        for place, item in zip(images, items, strict=True)
    }
    return [found[place] for place in range(len(found))]
