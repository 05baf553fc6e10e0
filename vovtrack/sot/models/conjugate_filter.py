"""ATOM's classifier of a target, learned online by conjugate gradients.

Features are (N, C, H, W) of N samples of one target, labels (N, 1, H, W), and filters
(1, C, k, k).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from vovtrack.sot.models.conjugate_gradient import (
    ConjugateGradient,
    Formula,
    Tensors,
    gauss_newton_step,
)
from vovtrack.sot.models.target_filter import apply_filter


def soft_floor(values: Tensor, floor: float) -> Tensor:
    """Values, but what is negative approaches ``-floor``, with a slope of 1 at 0."""
    return F.elu(F.leaky_relu(values, 1 / floor), floor)


def apply_same(feat: Tensor, weights: Tensor) -> Tensor:
    """Scores of a filter, (N, 1, H, W): those of an even filter without the last row and column."""
    height, width = feat.shape[-2:]
    return apply_filter(feat[:, None], weights)[..., :height, :width]


@dataclass(frozen=True)
class FilterFit:
    """What a filter is to do (ATOM, Danelljan et al., CVPR 2019, arXiv:1811.07628, section 3.2).

    Attributes:
        filter_weight: Of the filter's square in the loss.
        projection_weight: Of the projection's square.
        floor: Scores of background are not to be raised above so much below 0.
    """

    filter_weight: float = 0.1
    projection_weight: float = 1e-4
    floor: float = 0.05

    def residuals(
        self, feat: Tensor, label: Tensor, sample_weight: Tensor, weights: Tensor
    ) -> Tensors:
        """What is to be small in the square: errors (N, 1, H, W), and the filter.

        Args:
            feat: Features, projected.
            label: What scores are to be.
            sample_weight: (N,) of squared errors.
            weights: The filter.
        """
        scores = soft_floor(apply_same(feat, weights), self.floor)
        root = sample_weight.sqrt()[:, None, None, None]
        return root * (scores - label), math.sqrt(self.filter_weight) * weights

    def loss(self, feat: Tensor, label: Tensor, sample_weight: Tensor, weights: Tensor) -> Tensor:
        """The sum of the squares, see :meth:`residuals`."""
        found = self.residuals(feat, label, sample_weight, weights)
        return sum((value.square().sum() for value in found), start=feat.new_zeros(()))

    def begin(
        self,
        feat: Tensor,
        label: Tensor,
        sample_weight: Tensor,
        weights: Tensor,
        projection: Tensor,
        steps: int = 6,
        iterations: int = 10,
    ) -> tuple[Tensor, Tensor]:
        """Learn a filter and the projection of features that it is applied to (section 3.3).

        Args:
            feat: Features, as the backbone gives them, of the first frame.
            label: What scores are to be.
            sample_weight: (N,) of squared errors.
            weights: Filter to start from.
            projection: (c, C, 1, 1) to start from.
            steps: Of Gauss and Newton.
            iterations: Of conjugate gradients in each step.

        Returns:
            The filter and the projection.
        """

        def residuals(weights: Tensor, projection: Tensor) -> Tensors:
            projected = F.conv2d(feat, projection)
            errors = self.residuals(projected, label, sample_weight, weights)
            return *errors, math.sqrt(self.projection_weight) * projection

        scales = (self.filter_weight, self.projection_weight)
        method = ConjugateGradient(iterations, "fletcher-reeves", scales)
        for _ in range(steps):
            weights, projection = gauss_newton_step(residuals, (weights, projection), method)
        return weights, projection

    def update(
        self,
        feat: Tensor,
        label: Tensor,
        sample_weight: Tensor,
        weights: Tensor,
        iterations: int = 5,
        formula: Formula = "polak-ribiere",
    ) -> Tensor:
        """Learn from later frames, for which the projection is kept.

        Args:
            feat: Features, projected.
            label: What scores are to be.
            sample_weight: (N,) of squared errors.
            weights: Filter to start from.
            iterations: Of conjugate gradients.
            formula: See :class:`ConjugateGradient`.

        Returns:
            The filter.
        """

        def residuals(weights: Tensor) -> Tensors:
            return self.residuals(feat, label, sample_weight, weights)

        method = ConjugateGradient(iterations, formula)
        (learned,) = gauss_newton_step(residuals, (weights,), method)
        return learned
