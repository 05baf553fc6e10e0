"""The network that foretells how well a box fits the target, and boxes improved by its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from vovtrack.ops.boxes import corners_of
from vovtrack.ops.precise_roi_pooling import precise_roi_pool, precise_roi_pool_with_slope
from vovtrack.registry import MODELS

Pair = tuple[Tensor, Tensor]
"""Of the finer and of the coarser map of the backbone."""


class ConvBlock(nn.Sequential):
    """Convolution, batch norm and ReLU.

    Args:
        in_channels: Of the input.
        out_channels: Of the output.
        size: Of the kernel.
        padding: Of the input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, size: int = 3, padding: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, size, padding=padding),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class LinearBlock(nn.Module):
    """Linear layer, batch norm and ReLU.

    Args:
        in_channels: Of the input.
        out_channels: Of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, values: Tensor) -> Tensor:
        """(N, in_channels) to (N, out_channels)."""
        return self.bn(self.linear(values)).relu()

    @property
    def gain(self) -> Tensor:
        """(out_channels,) what the norm multiplies by, in evaluation."""
        assert self.bn.running_var is not None
        return self.bn.weight * (self.bn.running_var + self.bn.eps).rsqrt()


@MODELS.register_module()
class IoUNet(BaseModule):
    """Overlap of boxes with the target that a first image shows.

    What is pooled from the first image becomes two vectors; features of later images are
    multiplied by them (ATOM, Danelljan et al., CVPR 2019, arXiv:1811.07628, section 3.1).

    Args:
        in_channels: Of the backbone's two maps.
        channels: Of the features.
        strides: Pixels of a cell of the two maps.

    Attributes:
        context: Cells on each side of one that its features depend on.
    """

    context = 2

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        strides: Sequence[int] = (8, 16),
    ) -> None:
        super().__init__()
        fine, coarse = in_channels
        self.scales = tuple(1 / stride for stride in strides)
        self.conv3_1r = ConvBlock(fine, channels // 2)
        self.conv3_1t = ConvBlock(fine, channels)
        self.conv3_2t = ConvBlock(channels, channels)
        self.fc3_1r = ConvBlock(channels // 2, channels, padding=0)
        self.conv4_1r = ConvBlock(coarse, channels)
        self.conv4_1t = ConvBlock(coarse, channels)
        self.conv4_2t = ConvBlock(channels, channels)
        self.fc34_3r = ConvBlock(2 * channels, channels, size=1, padding=0)
        self.fc34_4r = ConvBlock(2 * channels, channels, size=1, padding=0)
        self.fc3_rt = LinearBlock(channels * 5 * 5, channels)
        self.fc4_rt = LinearBlock(channels * 3 * 3, channels)
        self.iou_predictor = nn.Linear(2 * channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                # PyTorch's own before 1.2, with which the published networks were trained.
                nn.init.uniform_(module.weight)

    def modulation(self, maps: Pair, boxes: Tensor) -> Pair:
        """What to look for.

        Args:
            maps: The backbone's, (N, C, H, W) each.
            boxes: (N, 4) boxes (x, y, w, h) of the target in pixels.

        Returns:
            A vector (N, channels) for each map.
        """
        corners = corners_of(boxes)[:, None]
        fine, coarse = self.conv3_1r(maps[0]), self.conv4_1r(maps[1])
        fine = self.fc3_1r(precise_roi_pool(fine, corners, (3, 3), self.scales[0])[:, 0])
        coarse = precise_roi_pool(coarse, corners, (1, 1), self.scales[1])[:, 0]
        both = torch.cat([fine, coarse], dim=1)
        return self.fc34_3r(both)[..., 0, 0], self.fc34_4r(both)[..., 0, 0]

    def features(self, maps: Pair) -> Pair:
        """Where to look: the backbone's maps (N, C, H, W) to maps (N, channels, H, W)."""
        return self.conv3_2t(self.conv3_1t(maps[0])), self.conv4_2t(self.conv4_1t(maps[1]))

    def forward(self, modulation: Pair, features: Pair, boxes: Tensor) -> Tensor:
        """How well boxes fit.

        Pooling treats all channels alike, so they are multiplied after it, where there are fewer.

        Args:
            modulation: Vectors (N, channels), or (1, channels) for all images.
            features: Maps (N, channels, H, W).
            boxes: (N, K, 4) boxes (x, y, w, h) in pixels.

        Returns:
            (N, K); the larger, the better.
        """
        corners = corners_of(boxes)
        read = [
            layer(
                (
                    precise_roi_pool(maps, corners, (bins, bins), scale)
                    * vector[:, None, :, None, None]
                )
                .flatten(0, 1)
                .flatten(1)
            )
            for layer, maps, vector, bins, scale in zip(
                (self.fc3_rt, self.fc4_rt), features, modulation, (5, 3), self.scales, strict=True
            )
        ]
        return self.iou_predictor(torch.cat(read, dim=1)).view(boxes.shape[:2])

    def foretell(self, first: Pair, boxes: Tensor, maps: Pair, proposals: Tensor) -> Tensor:
        """How well boxes fit in all images of some sequences, (images, sequences, K).

        Args:
            first: The backbone's maps of the first image of each sequence.
            boxes: (sequences, 4) box (x, y, w, h) of the target in it.
            maps: The backbone's of the images, (images * sequences, C, H, W) each.
            proposals: (images, sequences, K, 4) boxes (x, y, w, h).
        """
        fine, coarse = (
            vector.repeat(len(proposals), 1) for vector in self.modulation(first, boxes)
        )
        found = self((fine, coarse), self.features(maps), proposals.flatten(0, 1))
        return found.view(proposals.shape[:-1])

    def climb(self, modulated: Pair, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """How well boxes fit, and which way they would fit better; in evaluation only.

        Args:
            modulated: Features (N, channels, H, W), times the vectors.
            boxes: (N, K, 4) boxes (x, y, w, h) in pixels.

        Returns:
            (N, K), and its derivatives (N, K, 4) by the boxes.
        """
        corners, overlap = corners_of(boxes), self.iou_predictor.bias
        slope = torch.zeros_like(boxes)
        weights = self.iou_predictor.weight[0].chunk(2)
        for level, (layer, bins) in enumerate(((self.fc3_rt, 5), (self.fc4_rt, 3))):
            pooled, slope_of = precise_roi_pool_with_slope(
                modulated[level], corners, (bins, bins), self.scales[level]
            )
            found = layer(pooled.flatten(0, 1).flatten(1))
            overlap = overlap + found @ weights[level]
            by_found = (found > 0) * weights[level] * layer.gain
            slope = slope + slope_of((by_found @ layer.linear.weight).view_as(pooled))
        x1, y1, x2, y2 = slope.unbind(dim=-1)
        return overlap.view(boxes.shape[:2]), torch.stack([x1 + x2, y1 + y2, x2, y2], dim=-1)


class Refinement(NamedTuple):
    """What became of boxes.

    Attributes:
        boxes: (steps, N, K, 4) boxes (x, y, w, h) after each step.
        overlap: (steps, N, K) what was foretold before each step.
    """

    boxes: Tensor
    overlap: Tensor


@torch.no_grad()
def refine_boxes(
    net: IoUNet,
    modulation: Pair,
    features: Pair,
    boxes: Tensor,
    steps: int,
    step_length: float,
    relative: bool = False,
) -> Refinement:
    """Move boxes up the gradient of their foretold overlap (ATOM, section 3.1).

    Args:
        net: Foretells the overlap.
        modulation: See :meth:`IoUNet.forward`.
        features: See :meth:`IoUNet.forward`.
        boxes: (N, K, 4) boxes (x, y, w, h) in pixels.
        steps: Number of steps.
        step_length: What gradients are multiplied by.
        relative: Step in centres, as shares of the size of an image's first box, and in logarithms
            of sizes, as PrDiMP does (arXiv:2003.12565); else in pixels, times the size of the box.
    """
    unit = boxes[:, :1, 2:]
    fine, coarse = (
        maps * vector[..., None, None] for maps, vector in zip(features, modulation, strict=True)
    )
    passed, foretold = [], []
    for _ in range(steps):
        overlap, slope = net.climb((fine, coarse), boxes)
        size = boxes[..., 2:]
        if relative:
            # By centres in units, and by logarithms of sizes.
            by_centre, by_size = slope[..., :2], slope[..., 2:]
            slope = torch.cat([by_centre * unit, (by_size - by_centre / 2) * size], dim=-1)
            boxes = from_relative(to_relative(boxes, unit) + step_length * slope, unit)
        else:
            boxes = boxes + step_length * slope * size.repeat(1, 1, 2)
        passed.append(boxes)
        foretold.append(overlap)
    return Refinement(torch.stack(passed), torch.stack(foretold))


def to_relative(boxes: Tensor, unit: Tensor) -> Tensor:
    """Boxes (..., 4) as (x, y, w, h) to centres in units, and logarithms of sizes.

    Args:
        boxes: (..., 4).
        unit: (..., 2) width and height that centres are shares of.
    """
    size = boxes[..., 2:]
    return torch.cat([(boxes[..., :2] + size / 2) / unit, size.log()], dim=-1)


def from_relative(boxes: Tensor, unit: Tensor) -> Tensor:
    """The inverse of :func:`to_relative`."""
    size = boxes[..., 2:].exp()
    return torch.cat([boxes[..., :2] * unit - size / 2, size], dim=-1)
