"""Views of the frame in which a target is marked, from which its filter is learned at first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.sot.search_area import Window, cut_window

Draw = Callable[..., Tensor]
"""From a shape to uniform draws in [0, 1)."""


@dataclass(frozen=True)
class ViewSettings:
    """Which views are made (DiMP, arXiv:1904.07220, section 4.4; ATOM, arXiv:1811.07628).

    Attributes:
        expansion: Side of what views are cut out of, in sides of a search area.
        shifts: Rows and columns that the target is moved by, as shares of half a side.
        flip: Whether there is a mirrored view.
        blurs: Standard deviations along rows and columns, in pixels.
        rotations: In degrees, counter-clockwise.
        random_shift: What flipped, blurred and rotated views are shifted by besides: up to half of
            this share of a side.
        dropouts: Copies of the features of the first view with some channels dropped.
        dropout: Share of the channels that are.
    """

    expansion: float = 2.0
    shifts: tuple[tuple[float, float], ...] = ((0.6, 0.6), (-0.6, 0.6), (0.6, -0.6), (-0.6, -0.6))
    flip: bool = True
    blurs: tuple[tuple[float, float], ...] = ((3, 1), (1, 3), (2, 2))
    rotations: tuple[float, ...] = (10, -10, 45, -45)
    random_shift: float = 1 / 3
    dropouts: int = 2
    dropout: float = 0.2

    @property
    def samples(self) -> int:
        """Views and copies."""
        views = 1 + len(self.shifts) + self.flip + len(self.blurs) + len(self.rotations)
        return views + self.dropouts


def expanded_side(side: int, expansion: float) -> int:
    """Side of what views are cut out of, even if that of a search area is."""
    expanded = int(expansion * side)
    return expanded + (expanded - side) % 2


def make_views(
    image: Tensor, side: int, settings: ViewSettings, draw: Draw
) -> tuple[Tensor, Tensor]:
    """What is seen, then shifted, flipped, blurred and rotated.

    The target moves by the shift alone: its box is not mirrored or rotated.

    Args:
        image: (1, C, E, E) floating-point, around the target, see :func:`expanded_side`.
        side: Of a view.
        settings: Which views.
        draw: Draws (n, 2) once, for the n views that are shifted by chance.

    Returns:
        Views (n, C, side, side), and by how many rows and columns the target is shifted in each,
        (n, 2) integers.
    """
    changed = [image.flip(-1)] if settings.flip else []
    changed += [blurred(image, sigmas) for sigmas in settings.blurs]
    changed += [rotated(image, angle) for angle in settings.rotations]
    by_chance = (draw(len(changed), 2) - 0.5) * side * settings.random_shift
    steady = torch.tensor([(0.0, 0.0), *settings.shifts]) * side / 2
    shifts = torch.cat([steady, by_chance.cpu()]).trunc().long()
    sources = [image] * len(steady) + changed
    views = [
        cut_middle(source, side, (int(rows), int(columns)))
        for source, (rows, columns) in zip(sources, shifts, strict=True)
    ]
    return torch.cat(views), shifts


def cut_middle(image: Tensor, side: int, shift: tuple[int, int] = (0, 0)) -> Tensor:
    """The middle (N, C, side, side) of an image whose content is shifted by rows and columns."""
    start = (np.array(image.shape[-2:]) - side) // 2 - shift
    return cut_window(image, Window(start, start + side, 1, np.zeros(2, dtype=int)), None)


def blurred(image: Tensor, sigmas: tuple[float, float]) -> Tensor:
    """Blurred by a Gaussian that ends after two standard deviations; 0 outside of the image.

    Args:
        image: (N, C, H, W).
        sigmas: Standard deviations along rows and columns, in pixels.
    """
    maps = image.flatten(0, 1)[:, None]
    for axis, sigma in zip((2, 3), sigmas, strict=True):
        radius = math.ceil(2 * sigma)
        offsets = torch.arange(-radius, radius + 1, device=image.device)
        kernel = torch.exp(-((offsets / sigma) ** 2) / 2)
        shape, padding = [1, 1, 1, 1], [0, 0]
        shape[axis], padding[axis - 2] = len(kernel), radius
        maps = F.conv2d(maps, (kernel / kernel.sum()).view(shape), padding=padding)
    return maps.view_as(image)


def rotated(image: Tensor, angle: float) -> Tensor:
    """Rotated about its middle; outside of the image its border is repeated.

    Args:
        image: (N, C, S, S).
        angle: In degrees, counter-clockwise.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    back = image.new_tensor([[cosine, -sine, 0], [sine, cosine, 0]])
    grid = F.affine_grid(back.expand(len(image), 2, 3), list(image.shape), align_corners=True)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


def drop_channels(feat: Tensor, settings: ViewSettings, draw: Draw) -> Tensor:
    """Copies of a map of which some channels are 0, and the others larger by what is lost.

    Args:
        feat: (1, C, H, W).
        settings: How many copies, and the share of the channels.
        draw: Draws (copies, C) once.

    Returns:
        (copies, C, H, W).
    """
    kept = draw(settings.dropouts, feat.shape[1]).to(feat.device) >= settings.dropout
    return feat * (kept / (1 - settings.dropout))[:, :, None, None]
