"""Score thresholds that follow from the size of the vocabulary."""

from __future__ import annotations

import math
from typing import NamedTuple


def score_of_probability(probability: float, num_classes: int) -> float:
    """Score that the second softmax gives to a region with one class probability.

    The released head applies a softmax to fused probabilities p; with all other classes at 0 the
    score is ``e^p / (e^p + C)`` over C classes and the background.
    """
    return math.exp(probability) / (math.exp(probability) + num_classes)


class ScoreThresholds(NamedTuple):
    """Thresholds for one vocabulary, in units of detection scores."""

    detect: float
    """A detection exists above this."""
    match: float
    """A detection may be linked to a track above this."""
    init: float
    """A detection may start a track above this."""
    draw: float
    """A detection is worth showing above this."""


class VocabularyThresholds:
    """Derives all score thresholds from fused class probabilities.

    OVTrack asks its users to retune four thresholds for each list of class names, because its
    scores are a softmax over probabilities and shrink with the number of classes. Here a
    threshold is a probability, which means the same for 1 and for 1203 classes.

    Args:
        detect: Smallest fused probability of a detection.
        match: Smallest probability to be linked.
        init: Smallest probability to start a track.
        draw: Smallest probability to be drawn.
    """

    def __init__(
        self, detect: float = 0.001, match: float = 0.02, init: float = 0.05, draw: float = 0.05
    ) -> None:
        self.probabilities = ScoreThresholds(detect, match, init, draw)

    def resolve(self, num_classes: int) -> ScoreThresholds:
        """Score thresholds for a vocabulary of ``num_classes``."""
        return ScoreThresholds(*(score_of_probability(p, num_classes) for p in self.probabilities))
