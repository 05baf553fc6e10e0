"""QDTrack: a detector and an embedding head that train together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import mmdet.models  # noqa: F401  registers the model that this one replaces
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from ovtrack.models.embedding_tracker import Detector, EmbeddingTracker, View, select_images
from ovtrack.models.qdtrack_keys import QDTRACK_KEYS
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary


class LearningDetector(Detector, Protocol):
    """A :class:`Detector` that also learns to detect."""

    def learn(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> tuple[dict[str, Tensor], Any, list[InstanceData]]:
        """Losses of detection, and where objects may be.

        Args:
            batch_inputs: (B, 3, H, W) normalised images.
            batch_data_samples: B samples with ``gt_instances``.

        Returns:
            The losses by name; maps and proposals as of :meth:`propose`.
        """


@MODELS.register_module(force=True)
class QDTrack(EmbeddingTracker):
    """Tracker for fixed classes (Pang et al., CVPR 2021; Fischer et al., TPAMI 2023).

    Detector and embedding head train together. The key images alone teach the detector; reference
    images pass it view by view and move its maps through the embedding head. It takes the
    place of mmdet's model of this name, which trains the detector on a single class.

    Args:
        detector: Config of a :class:`LearningDetector`.
        track_head: Config of the embedding head.
        tracker: Config of the tracker that links detections.
        freeze: Parts of the detector that do not train; where all are named, its losses are not
            computed.
        vocabulary: Names of the classes that labels count, see :meth:`Vocabulary.load`.
        clip_tracks: Cut the boxes of tracks at the border of the image, after they were linked;
            MOTChallenge annotates what lies beyond.
        **kwargs: Further arguments of :class:`EmbeddingTracker`.
    """

    detector: LearningDetector
    key_map: ClassVar[KeyMap] = QDTRACK_KEYS

    def __init__(
        self,
        detector: dict,
        track_head: dict,
        tracker: dict,
        freeze: Sequence[str] = (),
        vocabulary: str | Sequence[str] | None = None,
        clip_tracks: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(detector, track_head, tracker, freeze=freeze, **kwargs)
        self._vocabulary = None if vocabulary is None else Vocabulary.load(vocabulary)
        self.clip_tracks = clip_tracks

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes; predicted labels index it.

        Raises:
            InputError: They have no names.
        """
        if self._vocabulary is None:
            raise InputError("The classes of this QDTrack have no names: set model.vocabulary.")
        return self._vocabulary

    def set_classes(self, classes: Sequence[str] | str | Path | Vocabulary) -> None:
        """Accept the classes that the model was trained on; it knows no others.

        Raises:
            InputError: Other classes.
        """
        names, wanted = self.vocabulary.names, Vocabulary.parse(classes).names
        if wanted != names:
            raise InputError(
                f"This model was trained on the classes {', '.join(names)} and cannot follow "
                f"others: leave the classes ({', '.join(wanted[:10])}) out, or take an "
                "open-vocabulary model."
            )

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of the detector and of association, see :meth:`EmbeddingTracker.loss`."""
        if not self.detector_trains:
            return super().loss(batch_inputs, batch_data_samples)
        keys, *references = (
            range(view, len(batch_inputs), self.num_views) for view in range(self.num_views)
        )
        inputs, samples = select_images(keys, batch_inputs, batch_data_samples)
        losses, feats, proposals = self.detector.learn(inputs, samples)
        views = [View(keys, feats, proposals)]
        views += [self.look_at(images, batch_inputs, batch_data_samples) for images in references]
        return losses | self.association_loss(views, batch_data_samples)

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Detect and track frames, see :meth:`EmbeddingTracker.predict`.

        Returns:
            The samples, which also say by the fingerprint of which ``vocabulary`` labels count.
        """
        samples = super().predict(batch_inputs, batch_data_samples, rescale)
        for sample in samples:
            if self.clip_tracks:
                shape = sample.ori_shape if rescale else sample.img_shape
                tracks = sample.pred_track_instances
                tracks.bboxes = clip_boxes_to_image(tracks.bboxes, shape)
            if self._vocabulary is not None:
                sample.set_metainfo(dict(vocabulary=self._vocabulary.fingerprint))
        return samples
