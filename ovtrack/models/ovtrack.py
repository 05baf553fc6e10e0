"""OVTrack: an embedding tracker on an open-vocabulary detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from detpro.models import OpenVocabDetector
from ovtrack.models.embedding_tracker import EmbeddingTracker
from ovtrack.models.key_map import TRACKER_KEYS
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.trackers.contract import share_thresholds


@MODELS.register_module()
class OVTrack(EmbeddingTracker):
    """Open-vocabulary tracker (Li et al., CVPR 2023), the tracking half of VOVTrack.

    The detector is an :class:`~detpro.models.detector.OpenVocabDetector`. The released checkpoints
    load directly.
    """

    detector: OpenVocabDetector
    key_map: ClassVar[KeyMap] = TRACKER_KEYS

    @property
    def embed_dims(self) -> int:
        """Dimension of the class embeddings that :meth:`set_classes` takes."""
        return self.detector.embed_dims

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes in use; predicted labels index it."""
        return self.detector.vocabulary

    def set_classes(
        self, classes: Sequence[str] | str | Path | Vocabulary, embeds: Tensor | None = None
    ) -> None:
        """Track other classes from now on, see :meth:`OpenVocabDetector.set_classes`."""
        self.detector.set_classes(classes, embeds)
        share_thresholds(self.tracker, self.score_thresholds)

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Detect and track, see :meth:`EmbeddingTracker.predict`.

        Returns:
            The samples, which also say by the fingerprint of which ``vocabulary`` labels count.
        """
        for sample in batch_data_samples:
            sample.set_metainfo(dict(vocabulary=self.vocabulary.fingerprint))
        return super().predict(batch_inputs, batch_data_samples, rescale)
