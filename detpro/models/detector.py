"""A two-stage detector whose classes are words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmdet.models.detectors import TwoStageDetector
from torch import Tensor

from detpro.models.convert import convert_detector_keys
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary


@MODELS.register_module()
class OpenVocabDetector(TwoStageDetector):
    """Two-stage detector with a vocabulary that may be replaced at run time.

    Checkpoints of the released DetPro and OVTrack code load directly: their key names are
    translated on the way in.

    Args:
        vocabulary: The classes, anything :meth:`Vocabulary.load` takes: ``lvis_v1``,
            ``tao_validation``, ``tao_test``, an annotation file, or a list of names.
        **kwargs: Parts of mmdet's ``TwoStageDetector``.
    """

    def __init__(self, vocabulary: str | Sequence[str] | Vocabulary = "lvis_v1", **kwargs) -> None:
        super().__init__(**kwargs)
        self._register_load_state_dict_pre_hook(self._convert_keys)
        self.set_classes(vocabulary)

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes in use; predicted labels index it."""
        return self.roi_head.classifier.vocabulary

    def set_classes(
        self,
        classes: Sequence[str] | str | Path | Vocabulary,
        embeds: Tensor | None = None,
    ) -> None:
        """Detect other classes from now on.

        Args:
            classes: Names ("striped red star"), a :class:`Vocabulary`, or what
                :meth:`Vocabulary.load` takes.
            embeds: (C, D) text embeddings of the classes; encoded or read if not given.

        Raises:
            InputError: No names, blank or repeated names, or no way to embed them.
        """
        self.roi_head.set_vocabulary(Vocabulary.load(classes), embeds)

    def _convert_keys(self, state_dict: dict, prefix: str, *_) -> None:
        if not prefix:
            convert_detector_keys(state_dict)
