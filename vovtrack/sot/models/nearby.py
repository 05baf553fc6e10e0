"""Boxes improved on features that are computed only around them, to the numbers of whole maps."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.sot.models.iou_net import IoUNet, Pair, Refinement, refine_boxes


def refine_nearby(
    net: IoUNet,
    modulation: Pair,
    maps: Pair,
    boxes: Tensor,
    around: NDArray[np.floating],
    reach: float,
    steps: int,
    step_length: float,
    relative: bool = False,
) -> Refinement:
    """Move boxes as :func:`refine_boxes` does on the features of whole maps.

    Features depend on a few cells around them, and pooled ones on those under a box. So only
    those near the boxes are computed. If a box leaves them, all is done again on whole maps.

    Args:
        net: Foretells the overlap.
        modulation: See :meth:`IoUNet.forward`.
        maps: The backbone's, (N, C, H, W) each.
        boxes: (N, K, 4) boxes (x, y, w, h) in pixels.
        around: (N, 4) a box of each image that is known to be near its own.
        reach: How far boxes are expected to go beyond it, in roots of its area.
        steps: See :func:`refine_boxes`, like the two that follow.
        step_length: What gradients are multiplied by.
        relative: In which space.
    """
    climb = partial(refine_boxes, steps=steps, step_length=step_length, relative=relative)
    window = _Window(net, maps, around, reach)
    origin = window.origin(boxes)
    near = climb(net, modulation, window.features(net, maps), boxes - origin)
    found = near._replace(boxes=near.boxes + origin)
    if window.covers(torch.cat([boxes[None], found.boxes[:-1]])):
        return found
    return climb(net, modulation, net.features(maps), boxes)


class _Window:
    """The same number of cells of each image, some around a box.

    Args:
        net: Whose features are wanted.
        maps: The backbone's.
        around: (N, 4) boxes (x, y, w, h) in pixels.
        reach: How far beyond them.
    """

    def __init__(self, net: IoUNet, maps: Pair, around: NDArray[np.floating], reach: float) -> None:
        self.context = net.context
        self.strides = [round(1 / scale) for scale in net.scales]
        # Windows of both maps begin at the same pixel: both count in the coarser cells.
        self.cell = math.lcm(*self.strides)
        self.whole = np.array(maps[1].shape[-2:]) * self.strides[1] // self.cell
        margin = reach * np.sqrt(around[:, 2:].prod(axis=1, keepdims=True))
        start = np.floor((around[:, 1::-1] - margin) / self.cell)
        end = np.ceil((around[:, 1::-1] + around[:, 3:1:-1] + margin) / self.cell) + 1
        even = all(
            tuple(found.shape[-2:]) == tuple(self.whole * self.cell // stride)
            for found, stride in zip(maps, self.strides, strict=True)
        )
        self.size = np.minimum((end - start).max(axis=0), self.whole) if even else self.whole
        self.size = self.size.astype(int)
        self.start = start.clip(0, self.whole - self.size).astype(int)

    def origin(self, like: Tensor) -> Tensor:
        """(N, 1, 4) where windows begin (x, y), as boxes of no size."""
        start = np.pad(self.start[:, None, ::-1] * self.cell, ((0, 0), (0, 0), (0, 2)))
        return torch.as_tensor(start, dtype=like.dtype, device=like.device)

    def features(self, net: IoUNet, maps: Pair) -> Pair:
        """(N, channels, h, w) of the windows."""
        first = [self.start * (self.cell // stride) for stride in self.strides]
        size = [self.size * (self.cell // stride) for stride in self.strides]
        shown, begin = [], []
        for found, at, cells in zip(maps, first, size, strict=True):
            limit = np.array(found.shape[-2:])
            seen = np.minimum(cells + 2 * self.context, limit)
            begin.append((at - self.context).clip(0, limit - seen))
            shown.append(_cut(found, begin[-1], seen))
        fine, coarse = net.features((shown[0], shown[1]))
        return (
            _cut(fine, first[0] - begin[0], size[0]),
            _cut(coarse, first[1] - begin[1], size[1]),
        )

    def covers(self, boxes: Tensor) -> bool:
        """Whether all cells under boxes (steps, N, K, 4) are in the windows, or in no map."""
        low = np.where(self.start > 0, self.start * self.cell, -np.inf)
        end = self.start + self.size
        high = np.where(end < self.whole, (end - 1) * self.cell, np.inf)
        least, most = (
            torch.as_tensor(limit[:, None, ::-1].copy(), dtype=boxes.dtype, device=boxes.device)
            for limit in (low, high)
        )
        corner = boxes[..., :2]
        return bool(((corner >= least) & (corner + boxes[..., 2:] <= most)).all())


def _cut(maps: Tensor, start: NDArray[np.integer], size: NDArray[np.integer]) -> Tensor:
    """(N, C, h, w) of maps (N, C, H, W), from a row and column (N, 2) of each on."""
    if tuple(size) == tuple(maps.shape[-2:]):
        return maps
    height, width = size
    return torch.stack(
        [
            found[:, top : top + height, left : left + width]
            for found, (top, left) in zip(maps, start, strict=True)
        ]
    )
