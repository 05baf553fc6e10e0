"""What a CLIP image tower sees of a region: crops cut and resized together, on the device.

The published teacher cuts each region with Pillow, resizes its shorter side to the tower's input
with Pillow's bicubic filter and keeps the central square. Here the same numbers come from two
batched matrix products for many regions at once: resizing is linear and separable, and only the
rows and columns that reach the central square are read. Values between the two passes are rounded
as Pillow does; it chooses the order of the passes by cost, so a grey value may differ by one.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BICUBIC = -0.5
"""Pillow's coefficient of the cubic convolution kernel (Keys, 1981)."""
_SUPPORT = 2.0
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


def resize_weights(
    start: Tensor, length: Tensor, out_length: Tensor, skip: Tensor, read: Tensor, side: int
) -> Tensor:
    """Weights by which Pillow's bicubic resizing makes an output pixel of input pixels, per crop.

    Args:
        start: (N,) first coordinate of the crop on this axis, image pixels.
        length: (N,) extent of the crop.
        out_length: (N,) extent that it is resized to.
        skip: (N,) output pixels in front of the central square.
        read: (N, K) image coordinates that are read; those outside of the crop get weight 0.
        side: Output pixels wanted.

    Returns:
        (N, side, K); a row sums to 1 over the crop, so pixels outside of the image, which are not
        read, count as black.
    """
    scale = length.double() / out_length
    width = scale.clamp(min=1)
    row = torch.arange(side, device=start.device, dtype=torch.float64)
    centre = (row + skip[:, None] + 0.5) * scale[:, None]
    reach = _SUPPORT * width[:, None]
    first = (centre - reach + 0.5).clamp(min=0).floor()
    last = torch.minimum((centre + reach + 0.5).floor(), length[:, None].double())
    taps = int((2 * reach).ceil().max()) + 2
    place = first[..., None] + torch.arange(taps, device=start.device)
    weights = _cubic((place + 0.5 - centre[..., None]) / width[:, None, None])
    weights = weights * (place < last[..., None])
    weights = weights / weights.sum(-1, keepdim=True)
    column = (start[:, None, None] + place).long() - read[:, :1, None]
    inside = (column >= 0) & (column < read.shape[1]) & (weights != 0)
    dense = weights.new_zeros(*weights.shape[:2], read.shape[1])
    dense.scatter_add_(2, column.clamp(0, read.shape[1] - 1), weights * inside)
    return dense.float()


def _cubic(x: Tensor) -> Tensor:
    x, a = x.abs(), _BICUBIC
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def crop_regions(image: Tensor, bboxes: Tensor, side: int) -> Tensor:
    """Cut whole-pixel boxes out of an image and bring each to a central square.

    Args:
        image: (3, H, W) uint8 RGB.
        bboxes: (N, 4) int64 boxes in its pixels; parts outside of the image are black.
        side: Side of the squares.

    Returns:
        (N, 3, side, side) uint8.
    """
    device = image.device
    bboxes = bboxes.to(device)
    extents = (bboxes[:, 2:] - bboxes[:, :2]).clamp(min=1)
    shorter = extents.min(dim=1, keepdim=True).values
    out = torch.where(extents == shorter, side, side * extents // shorter)
    # torchvision's central crop rounds half to even, as Python does.
    skip = torch.round((out - side).double() / 2).long()
    scale = extents.double() / out
    reach = (_SUPPORT * scale.clamp(min=1)).ceil().long() + 1
    low = bboxes[:, :2] + ((skip * scale).long() - reach).clamp(min=0)
    high = bboxes[:, :2] + torch.minimum(((skip + side) * scale).long() + 1 + reach, extents)
    limit = torch.tensor([image.shape[2], image.shape[1]], device=device)
    low = torch.minimum(low.clamp(min=0), limit)
    high = torch.minimum(high.clamp(min=0), limit)
    sizes = (high - low).clamp(min=1)
    crops = torch.empty(len(bboxes), 3, side, side, dtype=torch.uint8, device=device)
    pixels = image.float()
    # Crops of like extents share one product: in the order of their size little is padded.
    order = (sizes[:, 0] * sizes[:, 1]).argsort()
    buckets = (sizes[order].double().log2() * _GROUPS_PER_DOUBLING).round().long()
    cuts = (buckets[1:] != buckets[:-1]).any(dim=1).nonzero()[:, 0] + 1
    for group in order.tensor_split(cuts.cpu()):
        for rows in group.split(_GROUP_LIMIT) if len(group) else ():
            read = tuple(sizes[rows].max(dim=0).values.tolist())
            crops[rows] = _resize(
                pixels, low[rows], read, bboxes[rows], extents[rows], out[rows], skip[rows], side
            )
    return crops


def _resize(
    image: Tensor, low: Tensor, read: tuple[int, int], bboxes: Tensor, extents: Tensor,
    out: Tensor, skip: Tensor, side: int,
) -> Tensor:  # fmt: skip
    """Resize one group of crops, columns first and rows second, as Pillow does."""
    _, height, width = image.shape
    columns = low[:, :1] + torch.arange(read[0], device=image.device)
    rows = low[:, 1:] + torch.arange(read[1], device=image.device)
    inside = (rows < height)[:, :, None] & (columns < width)[:, None, :]
    patches = image[
        :, rows.clamp(max=height - 1)[:, :, None], columns.clamp(max=width - 1)[:, None]
    ]
    patches = (patches * inside).transpose(0, 1)
    across = resize_weights(bboxes[:, 0], extents[:, 0], out[:, 0], skip[:, 0], columns, side)
    down = resize_weights(bboxes[:, 1], extents[:, 1], out[:, 1], skip[:, 1], rows, side)
    patches = patches.reshape(len(bboxes), -1, read[0])
    narrow = torch.bmm(patches, across.transpose(1, 2)).add_(0.5).floor_().clamp_(0, 255)
    narrow = narrow.view(-1, 3, read[1], side).transpose(1, 2).reshape(-1, read[1], 3 * side)
    square = torch.bmm(down, narrow).add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)
    return square.view(-1, side, 3, side).transpose(1, 2)
