"""A filter on projected features that keeps learning by conjugate gradients, as ATOM's does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.sot.first_views import Draw
from vovtrack.sot.labels import gaussian_label
from vovtrack.sot.models.conjugate_filter import FilterFit, apply_same
from vovtrack.sot.sample_memory import SampleMemory


@dataclass(frozen=True)
class FitSettings:
    """What a filter learns from, when, and how (ATOM, arXiv:1811.07628, sections 3.2 to 3.4).

    Attributes:
        memory: Samples that are remembered.
        least_initial: Share of all weight that those of the first frame keep.
        rate: Weight of a new sample.
        hard_negative_rate: The same of one in which something else looks like the target.
        label_sigma: Standard deviation of what scores are to be, as a share of the map's side.
        channels: That features are projected to.
        filter_size: Of the filter, in cells.
        first_steps: Of Gauss and Newton in the first frame, on filter and projection.
        first_iterations: Of conjugate gradients in each of them.
        every: In every so many frames the filter learns.
        iterations: Of conjugate gradients then.
        hard_negative_iterations: Of conjugate gradients in a frame in which something else looks
            like the target.
        filter_weight: See :class:`FilterFit`, like the two that follow.
        projection_weight: Of the projection's square.
        floor: Below 0 of scores of background.
    """

    memory: int = 250
    least_initial: float = 0.25
    rate: float = 0.01
    hard_negative_rate: float = 0.02
    label_sigma: float = 0.05
    channels: int = 64
    filter_size: int = 4
    first_steps: int = 6
    first_iterations: int = 10
    every: int = 10
    iterations: int = 5
    hard_negative_iterations: int = 5
    filter_weight: float = 0.1
    projection_weight: float = 1e-4
    floor: float = 0.05

    @property
    def fit(self) -> FilterFit:
        """What the filter is to do."""
        return FilterFit(self.filter_weight, self.projection_weight, self.floor)


class ProjectedFilter:
    """The filter of one target, and the samples it is learned from.

    Args:
        feat: (n, C, H, W) features of the views of the first frame.
        boxes: (n, 4) boxes (x, y, w, h) of the target in them, in pixels.
        stride: Pixels of a cell.
        draw: Draws the filter and the projection that learning starts from.
        settings: What is learned from, when, and how.

    Attributes:
        weights: (1, c, k, k).
        projection: (c, C, 1, 1), learned in the first frame.
        memory: Which samples are remembered, and how much each counts.
        samples: (size, c, H, W) projected features in the slots of the memory.
        labels: (size, 1, H, W) what their scores are to be.
    """

    def __init__(
        self, feat: Tensor, boxes: Tensor, stride: int, draw: Draw, settings: FitSettings
    ) -> None:
        self.settings, self.stride = settings, stride
        channels, size, count = settings.channels, settings.filter_size, len(feat)
        self.memory = SampleMemory(settings.memory, count, settings.least_initial, feat.device)
        self.labels = feat.new_zeros(settings.memory, 1, *feat.shape[2:])
        self.labels[:count] = self._label(boxes, feat.shape[-1])
        # The starts of the original: small beside what is learned.
        weights = _normal(draw, (1, channels, size, size)).to(feat) / (channels * size**2)
        projection = _normal(draw, (channels, feat.shape[1], 1, 1)).to(feat)
        self.weights, self.projection = settings.fit.begin(
            feat,
            self.labels[:count],
            self.memory.filled(),
            weights,
            projection / math.sqrt(feat.shape[1]),
            settings.first_steps,
            settings.first_iterations,
        )
        self.samples = feat.new_zeros(settings.memory, channels, *feat.shape[2:])
        self.samples[:count] = F.conv2d(feat, self.projection)

    def scores(self, feat: Tensor) -> Tensor:
        """Scores (H, W) of features (C, H, W); those of an even filter lie between cells."""
        return apply_same(F.conv2d(feat[None], self.projection), self.weights)[0, 0]

    def update(self, feat: Tensor, box: Tensor, age: int, hard_negative: bool) -> int:
        """Remember a sample, and learn if it is time to.

        Args:
            feat: (C, H, W) features of the search area.
            box: (4,) box (x, y, w, h) of the target in it, in pixels.
            age: Frames since the first.
            hard_negative: Whether something else looks like the target.

        Returns:
            Iterations of conjugate gradients.
        """
        settings = self.settings
        slot = self.memory.insert(settings.hard_negative_rate if hard_negative else settings.rate)
        self.samples[slot] = F.conv2d(feat[None], self.projection)[0]
        self.labels[slot] = self._label(box[None], feat.shape[-1])[0]
        if hard_negative:
            iterations = settings.hard_negative_iterations
        else:
            iterations = settings.iterations if age % settings.every == 0 else 0
        if iterations:
            weight = self.memory.filled()
            known = (self.samples[: len(weight)], self.labels[: len(weight)], weight)
            self.weights = settings.fit.update(*known, self.weights, iterations)
        return iterations

    def _label(self, boxes: Tensor, size: int) -> Tensor:
        """(n, 1, H, W) of boxes (n, 4): as :func:`apply_same`, without the last row and column."""
        settings = self.settings
        label = gaussian_label(
            boxes, settings.label_sigma, settings.filter_size, size, self.stride, density=False
        )
        return label[:, None, :size, :size]


def _normal(draw: Draw, shape: tuple[int, ...]) -> Tensor:
    """Normal draws, by the inverse of their distribution."""
    return torch.special.ndtri(draw(*shape).clamp(min=torch.finfo(torch.float32).tiny))
