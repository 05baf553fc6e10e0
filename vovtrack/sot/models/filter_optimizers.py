"""Optimisers that learn a target's filter within a few steps of steepest descent."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vovtrack.registry import MODELS
from vovtrack.sot.models.steepest_descent import (
    FilterPath,
    SoftmaxDivergence,
    SquaredError,
    descend,
)
from vovtrack.sot.models.target_filter import centre_cells, distance_bins, score_shape

EPS = 1e-8
"""Added to the sum that a density is divided by."""


def _image_weights(feat: Tensor, sample_weight: Tensor | None) -> Tensor:
    """(images, sequences, 1, 1), the same for all images if none are given."""
    if sample_weight is None:
        return feat.new_full((1, 1, 1, 1), 1 / len(feat))
    return sample_weight.view(len(feat), -1, 1, 1)


@MODELS.register_module()
class LearnedMapOptimizer(nn.Module):
    """DiMP's optimiser: label, mask and weight of a cell are learned functions of its distance.

    Bhat et al., ICCV 2019, arXiv:1904.07220, section 3 and algorithm 1.

    Args:
        steps: Where a call names no other number.
        stride: Pixels of a cell.
        bins: Number of distances that functions have a value for.
        bin_width: Cells between two of them.
        step_length: To start from.
        regularization: Square root of the filter's weight in the loss, to start from.
        sigma: Of the Gaussian label to start from, in cells.
        mask_factor: Steepness of the mask to start from.
        least_regularization: Weight of the filter in the loss is not below.
        damping: See :func:`descend`.
    """

    target = "train_boxes"
    """What a filter is learned from, of a sample to train on."""

    def __init__(
        self,
        steps: int = 5,
        stride: int = 16,
        bins: int = 100,
        bin_width: float = 0.1,
        step_length: float = 0.9,
        regularization: float = 0.1,
        sigma: float = 0.9,
        mask_factor: float = 3.0,
        least_regularization: float = 1e-6,
        damping: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps, self.stride = steps, stride
        self.bins, self.bin_width = bins, bin_width
        self.least_regularization, self.damping = least_regularization, damping
        self.log_step_length = nn.Parameter(torch.tensor([math.log(step_length)]))
        self.filter_reg = nn.Parameter(torch.tensor([regularization]))
        self.label_map_predictor = nn.Conv2d(bins, 1, 1, bias=False)
        mask = nn.Conv2d(bins, 1, 1, bias=False)
        self.target_mask_predictor = nn.Sequential(mask, nn.Sigmoid())
        self.spatial_weight_predictor = nn.Conv2d(bins, 1, 1, bias=False)
        distance = torch.arange(bins) * bin_width
        label = torch.exp(-((distance / sigma) ** 2) / 2)
        with torch.no_grad():
            self.label_map_predictor.weight[0, :, 0, 0] = label - label.min()
            mask.weight[0, :, 0, 0] = mask_factor * torch.tanh(2 - distance)
            self.spatial_weight_predictor.weight.fill_(1)

    def maps(
        self, boxes: Tensor, size: int, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Label, mask and weight of all cells, (images, sequences, H', W') each.

        Args:
            boxes: (images, sequences, 4) boxes (x, y, w, h) in pixels.
            size: Of the filter.
            shape: (H', W') of the scores.
        """
        centres = centre_cells(boxes, self.stride, size).flatten(0, 1)
        distances = distance_bins(centres, shape, self.bins, self.bin_width)
        label, mask, weight = (
            predict(distances).view(*boxes.shape[:2], *shape)
            for predict in (
                self.label_map_predictor,
                self.target_mask_predictor,
                self.spatial_weight_predictor,
            )
        )
        return label, mask, weight

    def forward(
        self,
        weights: Tensor,
        feat: Tensor,
        boxes: Tensor,
        sample_weight: Tensor | None = None,
        steps: int | None = None,
    ) -> FilterPath:
        """Improve filters.

        Args:
            weights: (sequences, C, k, k).
            feat: (images, sequences, C, H, W).
            boxes: (images, sequences, 4) boxes (x, y, w, h) of the target in pixels.
            sample_weight: (images, sequences); None for 1 / images.
            steps: Instead of those of training.

        Returns:
            The filters; losses are means over sequences.
        """
        size = weights.shape[-1]
        shape = score_shape(feat, size)
        label, mask, weight = self.maps(boxes, size, shape)
        objective = SquaredError(label, mask, _image_weights(feat, sample_weight).sqrt() * weight)
        path = descend(
            weights,
            feat,
            objective,
            self.steps if steps is None else steps,
            self.filter_reg.square().clamp(min=self.least_regularization),
            self.log_step_length.exp(),
            self.damping,
        )
        return path._replace(losses=path.losses / len(weights))


@MODELS.register_module()
class HingeOptimizer(nn.Module):
    """Optimiser with a fixed hinge: background is not to score above 0, and may score below.

    It is that of super DiMP "simple", on which KeepTrack (Mayer et al., ICCV 2021,
    arXiv:2103.16556) is built. Residuals are linear on both sides of the hinge, so their
    derivatives are written out.

    Args:
        steps: Where a call names no other number.
        regularization: Square root of the filter's weight in the loss, to start from.
        threshold: Labels above it are the target.
        leak: Share of the scores of the background that counts as well.
    """

    target = "train_label"

    def __init__(
        self,
        steps: int = 5,
        regularization: float = 0.1,
        threshold: float = 0.05,
        leak: float = 0.1,
    ) -> None:
        super().__init__()
        self.steps, self.threshold, self.leak = steps, threshold, leak
        self.filter_reg = nn.Parameter(torch.tensor([regularization]))

    def forward(
        self,
        weights: Tensor,
        feat: Tensor,
        label: Tensor,
        sample_weight: Tensor | None = None,
        steps: int | None = None,
    ) -> FilterPath:
        """Improve filters.

        Args:
            weights: (sequences, C, k, k).
            feat: (images, sequences, C, H, W).
            label: (images, sequences, H', W') Gaussian of the target.
            sample_weight: (images, sequences); None for 1 / images.
            steps: Instead of those of training.

        Returns:
            The filters; losses are means over all cells and all entries of the filters.
        """
        mask = ((label > self.threshold).to(label.dtype) + self.leak).clamp(max=1)
        objective = SquaredError(mask * label, mask, _image_weights(feat, sample_weight).sqrt())
        steps = self.steps if steps is None else steps
        path = descend(weights, feat, objective, steps, self.filter_reg.square())
        return path._replace(losses=path.losses / (label.numel() + weights.numel()))


@MODELS.register_module()
class SoftmaxOptimizer(nn.Module):
    """PrDiMP's optimiser: scores are logits of where the target is.

    Danelljan et al., CVPR 2020, arXiv:2003.12565, section 4.4.

    Args:
        steps: Where a call names no other number.
        stride: Pixels of a cell.
        step_length: To start from.
        regularization: Square root of the filter's weight in the loss, to start from.
        sigma: Of the density of the target's centre, in cells.
        least_regularization: The square root is not below.
        damping: See :func:`descend`.
        threshold: Densities below it count as 0, before they are normalised.
    """

    target = "train_boxes"

    def __init__(
        self,
        steps: int = 5,
        stride: int = 16,
        step_length: float = 1.0,
        regularization: float = 0.05,
        sigma: float = 0.9,
        least_regularization: float = 0.05,
        damping: float = 0.05,
        threshold: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps, self.stride, self.sigma = steps, stride, sigma
        self.least_regularization, self.damping = least_regularization, damping
        self.threshold = threshold
        self.log_step_length = nn.Parameter(torch.tensor([math.log(step_length)]))
        self.filter_reg = nn.Parameter(torch.tensor([regularization]))

    def density(self, boxes: Tensor, size: int, shape: tuple[int, int]) -> Tensor:
        """Where the centre of the target is, (images, sequences, H', W'), sums to 1.

        Args:
            boxes: (images, sequences, 4) boxes (x, y, w, h) in pixels.
            size: Of the filter.
            shape: (H', W') of the scores.
        """
        centre = centre_cells(boxes, self.stride, size)
        rows, columns = (torch.arange(length, device=boxes.device) for length in shape)
        y = torch.exp(-((rows - centre[..., :1]) ** 2) / (2 * self.sigma**2))
        x = torch.exp(-((columns - centre[..., 1:]) ** 2) / (2 * self.sigma**2))
        density = y[..., :, None] * x[..., None, :] / (2 * math.pi * self.sigma**2)
        density = density.where(density > self.threshold, 0)
        return density / (density.sum(dim=(-2, -1), keepdim=True) + EPS)

    def forward(
        self,
        weights: Tensor,
        feat: Tensor,
        boxes: Tensor,
        sample_weight: Tensor | None = None,
        steps: int | None = None,
    ) -> FilterPath:
        """Improve filters; arguments and returns are those of :class:`LearnedMapOptimizer`."""
        size = weights.shape[-1]
        shape = score_shape(feat, size)
        weight = _image_weights(feat, sample_weight).expand(*feat.shape[:2], 1, 1)
        path = descend(
            weights,
            feat,
            SoftmaxDivergence(self.density(boxes, size, shape), weight),
            self.steps if steps is None else steps,
            self.filter_reg.square().clamp(min=self.least_regularization**2),
            self.log_step_length.exp(),
            self.damping,
        )
        return path._replace(losses=path.losses / len(weights))
