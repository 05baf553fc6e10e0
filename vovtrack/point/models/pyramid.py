"""A map of tokens at four scales, as the deformable layers read it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 4, 8)
"""Sides of the squares of patches that the levels average."""


@dataclass(frozen=True)
class Pyramid:
    """The cells of four maps in a row.

    Attributes:
        tokens: (B, S, C), row by row, one map after the other.
        shapes: (height, width) of the maps.
    """

    tokens: Tensor
    shapes: tuple[tuple[int, int], ...]

    def maps(self) -> list[Tensor]:
        """The maps, (B, C, h, w) each."""
        cells = [height * width for height, width in self.shapes]
        levels = self.tokens.transpose(1, 2).split(cells, dim=-1)
        return [
            level.unflatten(-1, shape) for level, shape in zip(levels, self.shapes, strict=True)
        ]


def pyramid_shapes(grid: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(height, width) of the maps over a ``grid`` of patches."""
    height, width = grid
    return tuple((height // scale, width // scale) for scale in SCALES)


def rows(square: Tensor) -> Tensor:
    """The cells (B, h * w, C) of a map (B, C, h, w), row by row."""
    return square.flatten(2).transpose(1, 2)


def build_pyramid(tokens: Tensor, size: tuple[int, int]) -> Pyramid:
    """Average a map over squares of 1, 2, 4 and 8 patches.

    Args:
        tokens: (B, P, C), row by row.
        size: (height, width) of the map, multiples of 8.
    """
    square = tokens.transpose(1, 2).unflatten(-1, size)
    maps = [square, *(F.avg_pool2d(square, scale) for scale in SCALES[1:])]
    return Pyramid(torch.cat([rows(m) for m in maps], dim=1), pyramid_shapes(size))


def scramble_coarsest(tokens: Tensor, pyramid: Pyramid) -> Pyramid:
    """The pyramid with the fourth map that the released model was trained with.

    Its code averages the flat tokens as if they were a map: over 8 tokens in a row and 8 channels
    next to each other, and reads the result as a map again.

    Args:
        tokens: (B, P, C) of the finest map.
        pyramid: Built from them.
    """
    batch, count, channels = tokens.shape
    height, width = pyramid.shapes[-1]
    side = SCALES[-1]
    mixed = tokens.view(batch, count // side, side, channels // side, side).mean((2, 4))
    coarsest = mixed.reshape(batch, channels, height * width).transpose(1, 2)
    kept = pyramid.tokens[:, : -height * width]
    return Pyramid(torch.cat([kept, coarsest], dim=1), pyramid.shapes)
