"""A filter that keeps learning what its target looks like."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vovtrack.sot.labels import gaussian_label
from vovtrack.sot.models.classifier import TargetClassifier
from vovtrack.sot.sample_memory import SampleMemory


@dataclass(frozen=True)
class LearningSettings:
    """What a filter learns from, and when (DiMP, arXiv:1904.07220, section 4.4).

    Attributes:
        memory: Samples that are remembered.
        least_initial: Share of all weight that those of the first frame keep.
        rate: Weight of a new sample.
        hard_negative_rate: The same of one in which something else looks like the target.
        first_steps: Of the optimiser in the first frame.
        every: In every so many frames the optimiser runs.
        steps: Of the optimiser then.
        hard_negative_steps: Of the optimiser in a frame in which something else looks like the
            target.
        label_sigma: Standard deviation of the label that the optimiser asks for, as a share of the
            map's side; None for one that asks for boxes.
        least_certainty: Samples that are less certain are not learned from (KeepTrack,
            arXiv:2103.16556, section 3.7).
    """

    memory: int = 50
    least_initial: float = 0.25
    rate: float = 0.01
    hard_negative_rate: float = 0.02
    first_steps: int = 10
    every: int = 20
    steps: int = 2
    hard_negative_steps: int = 1
    label_sigma: float | None = None
    least_certainty: float = 0.5


class OnlineFilter:
    """The filter of one target, and the samples it is learned from.

    Args:
        classifier: Makes and optimises filters.
        feat: (n, C, H, W) features of the views of the first frame.
        boxes: (n, 4) boxes (x, y, w, h) of the target in them, in pixels.
        settings: What is learned from, and when.

    Attributes:
        weights: (1, C, k, k).
        memory: Which samples are remembered, and how much each counts.
        samples: (size, 1, C, H, W) features in the slots of the memory.
        boxes: (size, 1, 4) boxes (x, y, w, h) of the target in them.
    """

    def __init__(
        self, classifier: TargetClassifier, feat: Tensor, boxes: Tensor, settings: LearningSettings
    ) -> None:
        self.classifier, self.settings = classifier, settings
        self.memory = SampleMemory(
            settings.memory, len(feat), settings.least_initial, device=feat.device
        )
        self.samples = feat.new_zeros(settings.memory, 1, *feat.shape[1:])
        self.boxes = boxes.new_zeros(settings.memory, 1, 4)
        self.samples[: len(feat), 0], self.boxes[: len(feat), 0] = feat, boxes
        boxes = self.boxes[: len(feat)]
        target = self._target(boxes, feat.shape[-1])
        self.weights = classifier.learn(
            self.samples[: len(feat)], boxes, target, steps=settings.first_steps
        ).weights

    def update(
        self,
        feat: Tensor,
        box: Tensor,
        age: int,
        hard_negative: bool,
        certainty: float | None = None,
    ) -> int:
        """Remember a sample, and learn if it is time to.

        Args:
            feat: (C, H, W) features of the search area.
            box: (4,) box (x, y, w, h) of the target in it, in pixels.
            age: Frames since the first.
            hard_negative: Whether something else looks like the target.
            certainty: That the sample shows the target, see :meth:`SampleMemory.insert`.

        Returns:
            Steps that the optimiser took.
        """
        settings = self.settings
        rate = settings.hard_negative_rate if hard_negative else settings.rate
        slot = self.memory.insert(rate, certainty)
        self.samples[slot, 0], self.boxes[slot, 0] = feat, box
        if hard_negative:
            doubtful = certainty is not None and certainty < settings.least_certainty
            steps = 0 if doubtful else settings.hard_negative_steps
        else:
            steps = settings.steps if age % settings.every == 0 else 0
        if steps:
            weight = self.memory.trusted(settings.least_certainty)
            boxes = self.boxes[: len(weight)]
            self.weights = self.classifier.filter_optimizer(
                self.weights,
                self.samples[: len(weight)],
                self._target(boxes, feat.shape[-1]),
                sample_weight=weight[:, None],
                steps=steps,
            ).weights
        return steps

    def _target(self, boxes: Tensor, size: int) -> Tensor:
        """What the optimiser asks for, of boxes (n, 1, 4) and maps of a size."""
        sigma, start = self.settings.label_sigma, self.classifier.filter_initializer
        if sigma is None:
            return boxes
        return gaussian_label(boxes, sigma, start.filter_size, size, start.stride, density=False)
