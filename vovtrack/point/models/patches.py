"""The patches of a frame: their numbers, their centres, and what lies between them.

Points are (x, y) in pixels of the network's input. The patch of row r and column c is a square of
``stride`` pixels from (stride c, stride r) on; patches are numbered row by row.
"""

from __future__ import annotations

import torch
from torch import Tensor


def patch_centres(index: Tensor, width: int, stride: int) -> Tensor:
    """The centres (..., 2) of patches in a map of ``width`` columns, by number (...)."""
    column, row = index % width, torch.div(index, width, rounding_mode="floor")
    return (torch.stack([column, row], dim=-1) + 0.5) * stride


def patch_index(points: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """The number (...) of the patch of each point (..., 2); 0 for points outside.

    Args:
        points: (x, y).
        size: (H, W) of the input.
        stride: Side of a patch.
    """
    height, width = size
    x, y = points.unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    number = (y / stride).floor() * (width // stride) + (x / stride).floor()
    return torch.where(inside, number, 0).long()


def sample_patches(
    maps: Tensor, points: Tensor, frame_index: Tensor, width: int, stride: int
) -> Tensor:
    """Tokens at points, bilinear between the centres of patches; the border goes on outside.

    Args:
        maps: (B, P, C).
        points: (N, 2).
        frame_index: (N,) int64, the map of each point.
        width: Columns of the maps.
        stride: Side of a patch.

    Returns:
        (N, C).
    """
    height = maps.shape[1] // width
    limit = points.new_tensor([width - 1, height - 1])
    cells = (points / stride - 0.5).clamp(min=0).minimum(limit)
    low = cells.floor()
    part = (cells - low)[..., None]
    left, top = low.long().unbind(-1)
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    upper = maps[frame_index, top * width + left].lerp(
        maps[frame_index, top * width + right], part[:, 0].to(maps.dtype)
    )
    lower = maps[frame_index, bottom * width + left].lerp(
        maps[frame_index, bottom * width + right], part[:, 0].to(maps.dtype)
    )
    return upper.lerp(lower, part[:, 1].to(maps.dtype))


def point_grid(count: int, size: tuple[int, int], margin: float) -> Tensor:
    """``count`` x ``count`` points (count^2, 2) over a frame, row by row.

    Args:
        count: Points along each side.
        size: (H, W) of the frame.
        margin: Distance from all four borders, in pixels.
    """
    height, width = size
    x = torch.linspace(margin, width - margin, count)
    y = torch.linspace(margin, height - margin, count)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1)
