"""Features in which a target is told from its surroundings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class InstanceL2Norm(nn.Module):
    """Scale the map of each image to one length.

    Args:
        scale: Root of the mean square of the values that come out.
        eps: Added to the sum of squares.
    """

    def __init__(self, scale: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale, self.eps = scale, eps

    def forward(self, feat: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        square = feat.square().sum(dim=(1, 2, 3), keepdim=True)
        return feat * (self.scale * (feat[0].numel() / (square + self.eps)).sqrt())


def point_layers(channels: Sequence[int]) -> nn.Sequential:
    """Layers that treat all points (B, C, N) alike; batch norm and ReLU after all but the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv1d(before, after, 1), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class ClassificationFeatures(nn.Sequential):
    """From a backbone's map to the features that a target's filter is applied to.

    The norm makes the scores of a filter of this size independent of the number of channels (DiMP,
    arXiv:1904.07220, section 4.1).

    Args:
        in_channels: Of the backbone's map.
        out_channels: Of the features.
        filter_size: Of the filter.
        blocks: Residual blocks before the last convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, filter_size: int = 4, blocks: int = 0
    ) -> None:
        super().__init__(
            *(BasicBlock(in_channels, in_channels) for _ in range(blocks)),
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            InstanceL2Norm(1 / math.sqrt(out_channels * filter_size**2)),
        )
