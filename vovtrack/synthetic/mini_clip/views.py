"""What a small CLIP sees of a stored crop: a random view in training, the centre in tests."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD

STORED_CONTEXT = 1.6
"""A stored crop shows a square of this many times the longer side of the box."""
TEST_CONTEXT = 1.1
"""The part of it, in the same unit, that `centre_view` shows."""


def augment(
    images: Tensor,
    size: int,
    generator: torch.Generator,
    cut_out: float = 0.0,
    true_colours: int | None = None,
) -> Tensor:
    """Rotate, flip, zoom, shift and re-light stored crops; return normalised network inputs.

    The light changes little, so that a dark crop stays one.

    Args:
        images: (N, 4, S, S) uint8 RGB and mask; the box's longer side fills 1 / 1.6 of S.
        size: Side of the network input.
        generator: Source of randomness.
        cut_out: Share of the crops whose surroundings are replaced by a single random colour.
        true_colours: This many of the crops, the first ones, keep their hues; the others are
            turned to hues at random. None keeps all.

    Returns:
        (N, 3, size, size) float32.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(len(images), *shape, generator=generator) * (high - low) + low

    angle = uniform(-math.pi, math.pi)
    zoom = uniform(0.95, 1.5) / STORED_CONTEXT
    flip = torch.sign(uniform(-1, 1))
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = uniform(-0.08, 0.08, 2)
    x_row = torch.stack([cos * flip, -sin, shift[:, 0]], dim=1)
    y_row = torch.stack([sin * flip, cos, shift[:, 1]], dim=1)
    crops = _resample(images, torch.stack([x_row, y_row], dim=1), size)
    crops, masks = crops.split([3, 1], dim=1)
    masks = masks.maximum((uniform(0, 1, 1, 1, 1) >= cut_out).to(masks.dtype))
    crops = crops * masks + uniform(0, 1, 3, 1, 1) * (1 - masks)
    if true_colours is not None:
        turned = _hue_rotation(uniform(-math.pi, math.pi))[true_colours:]
        hues = torch.einsum("nij,njhw->nihw", turned, crops[true_colours:])
        crops = torch.cat([crops[:true_colours], hues])
    gain = uniform(0.85, 1.15, 1, 1, 1) * uniform(0.95, 1.05, 3, 1, 1)
    return _normalise((crops * gain).clamp(0, 1))


def centre_view(images: Tensor, size: int) -> Tensor:
    """Return network inputs (N, 3, size, size) that show each box with 1.1 times its side.

    Args:
        images: (N, 4, S, S) uint8 RGB and mask.
        size: Side of the network input.
    """
    zoom = TEST_CONTEXT / STORED_CONTEXT
    matrix = torch.tensor([[zoom, 0, 0], [0, zoom, 0]]).expand(len(images), 2, 3)
    return _normalise(_resample(images[:, :3], matrix, size))


def _hue_rotation(angle: Tensor) -> Tensor:
    """Return the (N, 3, 3) rotations of RGB space about its grey axis by angles (N,)."""
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return cos * torch.eye(3) + (1 - cos) / 3 + sin * axis


def _resample(images: Tensor, matrix: Tensor, size: int) -> Tensor:
    grid = F.affine_grid(matrix, [*images.shape[:2], size, size], align_corners=False)
    pixels = images.float() / 255
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _normalise(images: Tensor) -> Tensor:
    mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return (images - mean[:, None, None]) / std[:, None, None]
