"""What a CLIP image tower sees of a region: crops cut and resized together, on the device.

The published teacher cuts each region with Pillow, resizes it with Pillow's bicubic filter and
keeps the central square. Here the same numbers come from two batched matrix products for many
regions at once: resizing is linear and separable, and only the rows and columns that reach the
central square are read. As in Pillow, the width is resized before the height, and values between
the two are rounded and kept within a byte. Sums of float32 instead of integers may round to the
next grey level. From version 13 on Pillow resizes the height of tall crops first, by which single
pixels change by many levels; the released features are of older ones, and so are these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_WEIGHT_STEPS = 2.0**22
"""Pillow's weights are whole multiples of one over this."""
_GROUPS_PER_DOUBLING = 2
"""Crops are resized together if width and height differ by less than a half of a doubling."""
_GROUP_LIMIT = 64
"""Crops resized together at most: their working memory stays in the cache."""


def enlarge_boxes(bboxes: Tensor, factor: float = 1.5) -> Tensor:
    """Boxes (N, 4) grown about their centres by ``factor``, not clipped; same frame as given."""
    grow = (factor - 1) / 2
    first, second = bboxes[:, :2], bboxes[:, 2:]
    return torch.cat([(1 + grow) * first - grow * second, (1 + grow) * second - grow * first], 1)


def integer_boxes(bboxes: Tensor) -> Tensor:
    """Smallest whole-pixel boxes (N, 4) int64 around float32 boxes, a thousandth of slack added.

    A box with whole coordinates so grows by a pixel on each side and none is ever empty, as in the
    published code; float32 arithmetic decides the border cases.
    """
    bboxes = bboxes.float()
    return torch.cat([(bboxes[:, :2] - 0.001).floor(), (bboxes[:, 2:] + 0.001).ceil()], 1).long()


def _cubic(x: Tensor) -> Tensor:
    """Cubic convolution (Keys, 1981) with Pillow's coefficient."""
    x, a = x.abs(), -0.5
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


_FILTERS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "bicubic": (_cubic, 2.0),
    "bilinear": (_triangle, 1.0),
}
"""Pillow's filters: weight by distance, and the distance from which on it is zero."""


@dataclass(frozen=True)
class _Axis:
    """One axis of N crops that are resized together; (N,) each, pixels.

    Attributes:
        start: First coordinate of the crop in the image.
        length: Extent of the crop.
        resized: Extent that it is resized to.
        skip: Output pixels in front of the central square.
        low: First image coordinate that is read.
    """

    start: Tensor
    length: Tensor
    resized: Tensor
    skip: Tensor
    low: Tensor

    def weights(self, read: int, taps: int, side: int, interpolation: str) -> Tensor:
        """Weights (N, side, read) by which an output pixel is made of the pixels read.

        A row sums to 1 over the crop, so that pixels outside of the image, which are not read,
        count as black. At most ``taps`` pixels make one.
        """
        kernel, support = _FILTERS[interpolation]
        scale = self.length.double() / self.resized
        width = scale.clamp(min=1)
        row = torch.arange(side, device=scale.device, dtype=torch.float64)
        centre = (row + self.skip[:, None] + 0.5) * scale[:, None]
        reach = support * width[:, None]
        first = (centre - reach + 0.5).clamp(min=0).floor()
        last = torch.minimum((centre + reach + 0.5).floor(), self.length[:, None].double())
        place = first[..., None] + torch.arange(taps, device=scale.device)
        weights = kernel((place + 0.5 - centre[..., None]) / width[:, None, None])
        weights = weights * (place < last[..., None])
        weights = weights / weights.sum(-1, keepdim=True)
        weights.mul_(_WEIGHT_STEPS).round_().div_(_WEIGHT_STEPS)
        column = ((self.start - self.low)[:, None, None] + place).long()
        inside = (column >= 0) & (column < read)
        dense = weights.new_zeros(*weights.shape[:2], read)
        dense.scatter_add_(2, column.clamp(0, read - 1), weights * inside)
        return dense.float()


def crop_regions(
    image: Tensor,
    bboxes: Tensor,
    side: int,
    resize_mode: str = "shortest",
    interpolation: str = "bicubic",
) -> Tensor:
    """Cut whole-pixel boxes out of an image and bring each to a square.

    Args:
        image: (3, H, W) uint8 RGB.
        bboxes: (N, 4) int64 boxes in its pixels; parts outside of the image are black. On the CPU
            they spare a GPU the wait for their sizes.
        side: Side of the squares.
        resize_mode: ``shortest`` keeps the central square of a crop, ``squash`` all of it.
        interpolation: ``bicubic`` or ``bilinear``.

    Returns:
        (N, 3, side, side) uint8, on the device of the image.
    """
    limit = torch.tensor([image.shape[2], image.shape[1]])
    plan, sizes, taps = _plan(bboxes.cpu(), limit, side, resize_mode, interpolation)
    # Crops of like extents share one product: in the order of their size little is padded.
    order = sizes.prod(dim=1).argsort()
    sizes, taps = sizes[order], taps[order]
    plan, places = _sent(plan[:, order], image.device), _sent(order, image.device)
    pixels = image.float()
    crops = image.new_empty(len(bboxes), 3, side, side)
    for rows in _groups(sizes):
        axes = [_Axis(*plan[:, rows, axis]) for axis in (0, 1)]
        read, most = sizes[rows].amax(dim=0).tolist(), taps[rows].amax(dim=0).tolist()
        across, down = (axes[i].weights(read[i], most[i], side, interpolation) for i in (0, 1))
        patches = _patches(pixels, axes[0].low, axes[1].low, read)
        crops[places[rows]] = _resize(patches, across, down)
    return crops


def _plan(
    bboxes: Tensor, limit: Tensor, side: int, resize_mode: str, interpolation: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Where crops lie and what is read of them, on both axes.

    Returns:
        (5, N, 2) the numbers of `_Axis`, (N, 2) extents that are read, (N, 2) pixels that make one
        output pixel, at most.
    """
    start, extents = bboxes[:, :2], (bboxes[:, 2:] - bboxes[:, :2]).clamp(min=1)
    out = torch.full_like(extents, side)
    if resize_mode == "shortest":
        shorter = extents.min(dim=1, keepdim=True).values
        out = torch.where(extents == shorter, out, side * extents // shorter)
    # torchvision's central crop rounds half to even, as Python does.
    skip = torch.round((out - side).double() / 2).long()
    scale = extents.double() / out
    reach = (_FILTERS[interpolation][1] * scale.clamp(min=1)).ceil().long() + 1
    low = start + ((skip * scale).long() - reach).clamp(min=0)
    high = start + torch.minimum(((skip + side) * scale).long() + 1 + reach, extents)
    low = torch.minimum(low.clamp(min=0), limit)
    sizes = (torch.minimum(high.clamp(min=0), limit) - low).clamp(min=1)
    return torch.stack([start, extents, out, skip, low]), sizes, 2 * reach


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on a device, which the CPU does not wait for."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def _groups(sizes: Tensor) -> list[slice]:
    """Runs of crops, sorted by size, that are resized together."""
    buckets = (sizes.double().log2() * _GROUPS_PER_DOUBLING).round().long()
    cuts = ((buckets[1:] != buckets[:-1]).any(dim=1).nonzero()[:, 0] + 1).tolist()
    bounds = [0, *cuts, len(sizes)]
    return [
        slice(first, min(first + _GROUP_LIMIT, end))
        for begin, end in zip(bounds[:-1], bounds[1:], strict=True)
        for first in range(begin, end, _GROUP_LIMIT)
    ]


def _patches(image: Tensor, left: Tensor, top: Tensor, read: list[int]) -> Tensor:
    """(N, 3, rows, columns) pixels from corners on; black outside of the image."""
    _, height, width = image.shape
    columns = left[:, None] + torch.arange(read[0], device=image.device)
    rows = top[:, None] + torch.arange(read[1], device=image.device)
    inside = (rows < height)[:, :, None] & (columns < width)[:, None, :]
    patches = image[
        :, rows.clamp(max=height - 1)[:, :, None], columns.clamp(max=width - 1)[:, None]
    ]
    return (patches * inside).transpose(0, 1)


def _resize(patches: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Resize patches (N, 3, h, w) by weights (N, side, w) and (N, side, h) to uint8 squares."""
    count, _, height, width = patches.shape
    side = across.shape[1]
    patches = patches.reshape(count, 3 * height, width)
    narrow = torch.bmm(patches, across.transpose(1, 2)).add_(0.5).floor_().clamp_(0, 255)
    narrow = narrow.view(count, 3, height, side).transpose(1, 2).reshape(count, height, 3 * side)
    square = torch.bmm(down, narrow).add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)
    return square.view(count, side, 3, side).transpose(1, 2)
