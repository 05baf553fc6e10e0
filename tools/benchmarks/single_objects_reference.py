"""Tracking of single objects in the straightforward form: as its parts are defined.

Written for comparison only. It computes with the parameters of our model, each target by itself.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.ops.boxes import corners_of
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.filter_optimizers import HingeOptimizer, LearnedMapOptimizer
from vovtrack.sot.models.iou_net import IoUNet, Pair, Refinement, from_relative, to_relative
from vovtrack.sot.models.steepest_descent import LEAST, FilterPath


def convolve(feat: Tensor, weights: Tensor) -> Tensor:
    """Scores (images, sequences, H', W') by a convolution with a group for each sequence."""
    sequences, size = len(weights), weights.shape[-1]
    return F.conv2d(feat.flatten(1, 2), weights, padding=size // 2, groups=sequences)


def correlate(feat: Tensor, scores: Tensor, size: int) -> Tensor:
    """The adjoint of :func:`convolve` by its filter, one convolution for each sequence."""
    found = [
        F.conv2d(maps.transpose(0, 1), by[None], padding=size // 2)
        for maps, by in zip(feat.unbind(1), scores.unbind(1), strict=True)
    ]
    return torch.cat(found, dim=1).transpose(0, 1)


def by_learned_maps(
    self: LearnedMapOptimizer,
    weights: Tensor,
    feat: Tensor,
    boxes: Tensor,
    sample_weight: Tensor | None = None,
    steps: int | None = None,
) -> FilterPath:
    """As :meth:`LearnedMapOptimizer.forward`: scores anew in each step, and for the loss."""
    scores = convolve(feat, weights)
    label, mask, spatial = self.maps(boxes, weights.shape[-1], scores.shape[-2:])
    images = len(feat)
    share = torch.full((images, 1), 1 / images) if sample_weight is None else sample_weight
    weight = share.sqrt()[..., None, None] * spatial
    regularization = self.filter_reg.square().clamp(min=self.least_regularization)
    iterates, losses = [weights], []
    for _ in range(self.steps if steps is None else steps):
        scores = convolve(feat, weights)
        slope = (1 - mask) / 2 * scores.sign() + (1 + mask) / 2
        residual = weight * ((1 - mask) / 2 * scores.abs() + (1 + mask) / 2 * scores - label)
        losses.append(residual.square().sum() + (regularization * weights.square()).sum())
        gradient = correlate(feat, slope * weight * residual, weights.shape[-1])
        gradient = gradient + regularization * weights
        along = weight * slope * convolve(feat, gradient)
        square = gradient.square().sum(dim=(1, 2, 3))
        curvature = along.square().sum(dim=(0, 2, 3)) + regularization * square
        step = self.log_step_length.exp() * square / curvature.clamp(min=LEAST)
        weights = weights - step[:, None, None, None] * gradient
        iterates.append(weights)
    scores = convolve(feat, weights)
    residual = weight * ((1 - mask) / 2 * scores.abs() + (1 + mask) / 2 * scores - label)
    losses.append(residual.square().sum() + (regularization * weights.square()).sum())
    return FilterPath(weights, torch.stack(iterates), torch.stack(losses))


def by_autograd(
    self: HingeOptimizer,
    weights: Tensor,
    feat: Tensor,
    label: Tensor,
    sample_weight: Tensor | None = None,
    steps: int | None = None,
) -> FilterPath:
    """As :meth:`HingeOptimizer.forward`: derivatives of the residuals by differentiating twice."""
    mask = ((label > self.threshold).to(label.dtype) + self.leak).clamp(max=1)
    images = len(feat)
    share = torch.full((images, 1), 1 / images) if sample_weight is None else sample_weight
    root = share.sqrt()[..., None, None]
    iterates, losses = [weights], []
    for _ in range(self.steps if steps is None else steps):
        with torch.enable_grad():
            moved = weights.detach().requires_grad_()
            scores = convolve(feat, moved)
            active = (1 - mask) / 2 * scores.abs() + (1 + mask) / 2 * scores
            data, own = root * (active - mask * label), self.filter_reg.detach() * moved
            halves = (data.detach().requires_grad_(), own.detach().requires_grad_())
            losses.append(data.square().sum() + own.square().sum())
            (gradient,) = torch.autograd.grad((data, own), moved, halves, create_graph=True)
            along = torch.autograd.grad(gradient, halves, gradient.detach())
        square = gradient.detach().square().sum(dim=(1, 2, 3))
        curvature = along[0].square().sum(dim=(0, 2, 3)) + along[1].square().sum(dim=(1, 2, 3))
        step = square / curvature.clamp(min=LEAST)
        weights = weights - step[:, None, None, None] * gradient.detach()
        iterates.append(weights)
    scores = convolve(feat, weights)
    active = (1 - mask) / 2 * scores.abs() + (1 + mask) / 2 * scores
    data = root * (active - mask * label)
    losses.append(data.square().sum() + (self.filter_reg * weights).square().sum())
    return FilterPath(weights, torch.stack(iterates), torch.stack(losses))


def pool(feat: Tensor, boxes: Tensor, bins: int, scale: float) -> Tensor:
    """Precise RoI pooling of a map (1, C, H, W) in boxes (K, 4): (K, C, bins, bins).

    The integral of the hat of each cell over each bin, applied to a map for each box.
    """

    def integral(u: Tensor) -> Tensor:
        u = u.clamp(-1, 1)
        return torch.where(u <= 0, (u + 1) ** 2 / 2, 1 - (1 - u) ** 2 / 2)

    maps = feat[torch.zeros(len(boxes), dtype=torch.long)]
    kernels, area = [], 1.0
    for axis, cells in ((1, maps.shape[-2]), (0, maps.shape[-1])):
        start, end = boxes[:, axis] * scale, boxes[:, axis + 2] * scale
        edges = start[:, None] + (end - start)[:, None] * torch.arange(bins + 1) / bins
        found = integral(edges[..., None] - torch.arange(cells))
        kernels.append(found[:, 1:] - found[:, :-1])
        area = area * (end - start) / bins
    pooled = torch.einsum("rpi,rcij,rqj->rcpq", kernels[0], maps, kernels[1])
    return pooled / area[:, None, None, None]


def foretell(net: IoUNet, modulation: Pair, features: Pair, boxes: Tensor) -> Tensor:
    """As :meth:`IoUNet.forward`: whole maps are multiplied by the vectors, then pooled."""
    corners = corners_of(boxes)
    read = []
    for layer, maps, vector, bins, scale in zip(
        (net.fc3_rt, net.fc4_rt), features, modulation, (5, 3), net.scales, strict=True
    ):
        maps = maps * vector[..., None, None]
        read.append(layer(pool(maps, corners[0], bins, scale).flatten(1)))
    return net.iou_predictor(torch.cat(read, dim=1)).view(boxes.shape[:2])


class Straightforward:
    """What the straightforward form does otherwise; put before the class of a tracker."""

    def _follow(self, image: Tensor, targets: list[Any]) -> None:
        for target in targets:
            super()._follow(image, [target])  # type: ignore[misc]

    def _refined(self, targets: list[Any], maps: Pair, boxes: Tensor) -> Refinement:
        settings, net = self.refinement, self.model.iou_net  # type: ignore[attr-defined]
        features, unit = net.features(maps), boxes[:, :1, 2:]
        passed, foretold = [], []
        for _ in range(settings.steps):
            moved = to_relative(boxes, unit) if settings.relative else boxes
            moved = moved.requires_grad_()
            with torch.enable_grad():
                found = from_relative(moved, unit) if settings.relative else moved
                overlap = foretell(net, targets[0].modulation, features, found)
                (slope,) = torch.autograd.grad(overlap.sum(), moved)
            step = settings.step_length * slope
            if settings.relative:
                boxes = from_relative(moved.detach() + step, unit)
            else:
                boxes = moved.detach() + step * moved.detach()[..., 2:].repeat(1, 1, 2)
            passed.append(boxes)
            foretold.append(overlap.detach())
        return Refinement(torch.stack(passed), torch.stack(foretold))


WAYS = {LearnedMapOptimizer: by_learned_maps, HingeOptimizer: by_autograd}
"""Optimisers that there is a straightforward form of."""


def straightforward(model: DiMP) -> DiMP:
    """Let a model apply and learn filters in the straightforward form; it is changed in place."""
    classifier = model.classifier
    classifier.classify = lambda weights, feat: convolve(feat, weights)
    optimizer = classifier.filter_optimizer
    optimizer.forward = MethodType(WAYS[type(optimizer)], optimizer)
    return model
