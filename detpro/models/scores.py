"""From class probabilities of regions to scores, and what a score is good for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds


@MODELS.register_module()
class ProbabilityScores:
    """Scores are fused class probabilities: they mean the same for 1 and for 1203 classes.

    Thresholds are probabilities, here and in the subclass, which translates them.

    Args:
        detect: A detection exists above this probability.
        link: It may be linked to a track from this on; 0 links all.
        init: It may start a track above this; 0 lets all.
        draw: It is sure above this, hence worth showing.
        distractor: Up to this it may be dropped because it overlaps a better one; 1 lets all.
    """

    def __init__(
        self,
        detect: float = 1e-4,
        link: float = 0.0,
        init: float = 0.0,
        draw: float = 0.05,
        distractor: float = 1.0,
    ) -> None:
        self.probabilities = ScoreThresholds(detect, link, init, draw, distractor)

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Scores (N, C) of class probabilities (N, C + 1), the background last."""
        return probabilities[:, :-1]

    def score_of(self, probability: float, num_classes: int) -> float:
        """Score of a region with one class probability, all others being 0."""
        return probability

    def bounds(self, probabilities: Tensor, num_classes: int) -> Tensor:
        """What no score of regions exceeds, (N,), if no probability exceeds ``probabilities``."""
        return probabilities

    def thresholds(self, num_classes: int) -> ScoreThresholds:
        """Thresholds for a vocabulary of ``num_classes``, in units of scores."""
        return self.probabilities


@MODELS.register_module()
class RepeatedSoftmaxScores(ProbabilityScores):
    """The scores of the released trackers: a softmax over the fused probabilities.

    They shrink with the vocabulary, from 1 / (C + 1) to e / (e + C) of C classes: with 296, from
    .0034 to .0091.

    Args:
        uniform_factor: A detection must beat a uniform score by this factor: the released
            1.001 / (C + 1) is a probability of about .001; 0 takes all.
        **probabilities: Of :class:`ProbabilityScores`, all but ``detect``.
    """

    def __init__(self, uniform_factor: float = 1.001, **probabilities: float) -> None:
        super().__init__(detect=0.0, **probabilities)
        self.uniform_factor = uniform_factor

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Scores (N, C) of class probabilities (N, C + 1), the background last."""
        return torch.softmax(probabilities, dim=1)[:, :-1]

    def score_of(self, probability: float, num_classes: int) -> float:
        """Score of a region with one class probability, all others being 0."""
        return math.exp(probability) / (math.exp(probability) + num_classes)

    def bounds(self, probabilities: Tensor, num_classes: int) -> Tensor:
        """What no score of regions exceeds, (N,), if no probability exceeds ``probabilities``.

        It is the score with all other probabilities at 0: they can only lower it.
        """
        return probabilities.exp() / (probabilities.exp() + num_classes)

    def thresholds(self, num_classes: int) -> ScoreThresholds:
        """Thresholds for a vocabulary of ``num_classes``, in units of scores.

        A bound of 0 or 1 excludes nothing: no score is below the one or above the other.
        """
        scores = (
            p if p in (0.0, 1.0) else self.score_of(p, num_classes) for p in self.probabilities
        )
        return ScoreThresholds(*scores)._replace(detect=self.uniform_factor / (num_classes + 1))
