"""Steepest descent on a loss over the scores of a filter.

The step along the gradient g is the one that is best for a quadratic approximation of the loss:
||g||^2 over the curvature along g. Scores s = X f of a filter f on features X are linear in it, so
those of the next filter follow from X g, which the curvature needs anyway: features are correlated
twice in a step. Derivatives by the filter are written out; autograd goes through all steps.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vovtrack.sot.models.target_filter import apply_filter, correlate_scores

LEAST = 1e-8
"""Curvatures that a step is divided by are not below."""


class FilterPath(NamedTuple):
    """The way of an optimiser.

    Attributes:
        weights: (sequences, C, k, k), the last filter.
        iterates: (steps + 1, sequences, C, k, k), from the filter it started from to the last.
        losses: (steps + 1,) of each of them.
    """

    weights: Tensor
    iterates: Tensor
    losses: Tensor


class Objective(Protocol):
    """A loss over scores (images, sequences, H', W')."""

    def loss(self, scores: Tensor) -> Tensor:
        """Its value, summed over all sequences."""

    def gradient(self, scores: Tensor) -> Tensor:
        """Its derivative by the scores, of their shape; half of it for squares."""

    def curvature(self, scores: Tensor, direction: Tensor) -> Tensor:
        """How it bends along a direction (of the shape of scores): (sequences,)."""


class SquaredError:
    """Squared differences to a label, behind a leak that is a map of its own.

    A score below 0 counts in full where the mask is 1, and not at all where it is 0 (DiMP,
    Bhat et al., ICCV 2019, arXiv:1904.07220, section 3.3).

    Args:
        label: (images, sequences, H', W').
        mask: The same, 0 to 1.
        weight: Of each difference; of a shape that broadcasts to the others.
    """

    def __init__(self, label: Tensor, mask: Tensor, weight: Tensor) -> None:
        self.label = label
        self.weight = weight
        self.above, self.below = (1 + mask) / 2, (1 - mask) / 2

    def _differences(self, scores: Tensor) -> Tensor:
        activated = self.below * scores.abs() + self.above * scores
        return self.weight * (activated - self.label)

    def _slopes(self, scores: Tensor) -> Tensor:
        return self.weight * (self.below * scores.sign() + self.above)

    def loss(self, scores: Tensor) -> Tensor:
        """See :class:`Objective`."""
        return self._differences(scores).square().sum()

    def gradient(self, scores: Tensor) -> Tensor:
        """See :class:`Objective`."""
        return self._slopes(scores) * self._differences(scores)

    def curvature(self, scores: Tensor, direction: Tensor) -> Tensor:
        """See :class:`Objective`."""
        return (self._slopes(scores) * direction).square().sum(dim=(0, 2, 3))


class SoftmaxDivergence:
    """Cross-entropy of the softmax over all cells to a density (PrDiMP, arXiv:2003.12565).

    Args:
        density: (images, sequences, H', W'), sums to 1 over cells.
        weight: (images, sequences, 1, 1).
    """

    def __init__(self, density: Tensor, weight: Tensor) -> None:
        self.density = density
        self.weight = weight

    def loss(self, scores: Tensor) -> Tensor:
        """See :class:`Objective`."""
        total = scores.flatten(2).logsumexp(dim=-1)
        hit = (self.density * scores).sum(dim=(2, 3))
        return (self.weight[..., 0, 0] * (total - hit)).sum()

    def gradient(self, scores: Tensor) -> Tensor:
        """See :class:`Objective`."""
        return self.weight * (self._softmax(scores) - self.density)

    def curvature(self, scores: Tensor, direction: Tensor) -> Tensor:
        """See :class:`Objective`."""
        p = self._softmax(scores)
        mean = (p * direction).sum(dim=(2, 3), keepdim=True)
        variance = (direction * p * (direction - mean)).sum(dim=(2, 3)).clamp(min=0)
        return (self.weight[..., 0, 0] * variance).sum(dim=0)

    @staticmethod
    def _softmax(scores: Tensor) -> Tensor:
        return scores.flatten(2).softmax(dim=-1).view_as(scores)


def descend(
    weights: Tensor,
    feat: Tensor,
    objective: Objective,
    steps: int,
    regularization: Tensor,
    step_length: Tensor | float = 1.0,
    damping: float = 0.0,
) -> FilterPath:
    """Steepest descent on ``objective(X f) + regularization ||f||^2``.

    Args:
        weights: (sequences, C, k, k) to start from.
        feat: (images, sequences, C, H, W).
        objective: Loss over scores.
        steps: Number of steps.
        regularization: Weight of the filter's own square.
        step_length: What each step is multiplied by.
        damping: Added to the curvature for each unit of the gradient's square.

    Returns:
        The filters, with sums over all sequences as losses.
    """
    scores = apply_filter(feat, weights)
    iterates, losses = [weights], []
    for _ in range(steps):
        losses.append(objective.loss(scores) + (regularization * weights.square()).sum())
        gradient = correlate_scores(feat, objective.gradient(scores), weights.shape[-1])
        gradient = gradient + regularization * weights
        direction = apply_filter(feat, gradient)
        square = gradient.square().sum(dim=(1, 2, 3))
        curvature = objective.curvature(scores, direction) + (regularization + damping) * square
        step = step_length * square / curvature.clamp(min=LEAST)
        weights = weights - step[:, None, None, None] * gradient
        scores = scores - step[:, None, None] * direction
        iterates.append(weights)
    losses.append(objective.loss(scores) + (regularization * weights.square()).sum())
    return FilterPath(weights, torch.stack(iterates), torch.stack(losses))
