"""Filters that tell a target from its surroundings, and the maps that they are applied to.

Scores (images, sequences, H', W') have one row and column more than the map (H, W) if the filter
is of even size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def score_shape(feat: Tensor, size: int) -> tuple[int, int]:
    """Rows and columns of the scores that a filter of a size gives on maps (..., H, W)."""
    more = (size + 1) % 2
    return feat.shape[-2] + more, feat.shape[-1] + more


def apply_filter(feat: Tensor, weights: Tensor) -> Tensor:
    """Correlate the images of each sequence with the filter of that sequence.

    One matrix product gives what each entry of the filter makes of each cell; these are then
    shifted and summed, which takes a fraction of a convolution's time for a single output.

    Args:
        feat: (images, sequences, C, H, W).
        weights: (sequences, C, k, k).

    Returns:
        Scores (images, sequences, H', W').
    """
    size = weights.shape[-1]
    entries = weights.flip(-2, -1).flatten(2).transpose(1, 2)
    products = (entries @ feat.flatten(3)).flatten(0, 1)
    output = score_shape(feat, size)
    scores = F.fold(products, output, size, padding=size - 1 - size // 2)
    return scores.view(*feat.shape[:2], *output)


def correlate_scores(feat: Tensor, scores: Tensor, size: int) -> Tensor:
    """The adjoint of :func:`apply_filter` by its filter: scores to the gradient of the filter.

    Args:
        feat: (images, sequences, C, H, W).
        scores: (images, sequences, H', W').
        size: Of the filter.

    Returns:
        (sequences, C, size, size).
    """
    images, sequences = feat.shape[:2]
    shifted = F.unfold(scores.flatten(0, 1)[:, None], size, padding=size - 1 - size // 2)
    shifted = shifted.view(images, sequences, size * size, -1)
    summed = (feat.flatten(3) @ shifted.transpose(-2, -1)).sum(dim=0)
    return summed.unflatten(-1, (size, size)).flip(-2, -1)


def centre_cells(boxes: Tensor, stride: int, size: int) -> Tensor:
    """Where the centres of boxes lie in a score map.

    Args:
        boxes: (..., 4) boxes (x, y, w, h) in pixels.
        stride: Pixels of a cell.
        size: Of the filter that gives the scores.

    Returns:
        (..., 2) row and column.
    """
    centre = boxes[..., :2] + boxes[..., 2:] / 2
    return centre.flip(-1) / stride - (size % 2) / 2


def distance_bins(centre: Tensor, shape: tuple[int, int], bins: int, width: float) -> Tensor:
    """How far each cell is from a centre, as shares of the two bins that it lies between.

    Args:
        centre: (N, 2) row and column.
        shape: (H, W) of the map.
        bins: Number of bins; the last also holds what is farther.
        width: Cells between two bins.

    Returns:
        (N, bins, H, W).
    """
    rows, columns = (torch.arange(length, device=centre.device) for length in shape)
    y = rows[:, None] - centre[:, 0, None, None]
    x = columns - centre[:, 1, None, None]
    place = torch.hypot(y, x)[:, None] / width
    offset = place - torch.arange(bins, device=centre.device)[:, None, None]
    shares = (1 - offset.abs()).clamp(min=0)
    last = (1 + offset[:, -1:]).clamp(0, 1)
    return torch.cat([shares[:, :-1], last], dim=1)
