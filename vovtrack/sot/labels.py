"""What networks are to say of a target: maps of scores, densities and distances to sides.

Boxes are (x, y, w, h) in pixels of a search area; a cell of a map is ``stride`` pixels wide.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_map(
    centres: Tensor, sigma: float | Tensor, size: int, end_pad: int = 0, density: bool = False
) -> Tensor:
    """A Gaussian around each centre.

    Args:
        centres: (..., 2) row and column, in cells from the middle of a map of ``size``.
        sigma: In cells, one number or (...) of each.
        size: Rows and columns S.
        end_pad: Further rows and columns after the last, as the scores of an even filter have.
        density: Divide by the integral; else the peak is 1.

    Returns:
        (..., S + end_pad, S + end_pad).
    """
    cells = torch.arange(size + end_pad, device=centres.device) - (size - 1) / 2
    sigma = torch.as_tensor(sigma, dtype=centres.dtype, device=centres.device)[..., None, None]
    # (..., 2, S): of rows and of columns.
    both = torch.exp(-((cells - centres[..., None]) ** 2) / (2 * sigma**2))
    if density:
        both = both / (math.sqrt(2 * math.pi) * sigma)
    rows, columns = both.unbind(dim=-2)
    return rows[..., :, None] * columns[..., None, :]


def gaussian_label(
    boxes: Tensor, sigma_factor: float, filter_size: int, size: int, stride: int, density: bool
) -> Tensor:
    """The scores that a filter is to give (DiMP, arXiv:1904.07220, section 3.3).

    Args:
        boxes: (..., 4).
        sigma_factor: Standard deviation as a share of the map's side.
        filter_size: Of the filter.
        size: Cells S of a side of the map that the filter is applied to.
        stride: Pixels of a cell.
        density: See :func:`gaussian_map`.

    Returns:
        (..., S', S'), one more for a filter of even size.
    """
    even = (filter_size + 1) % 2
    centres = (boxes[..., :2] + boxes[..., 2:] / 2).flip(-1) / stride - size / 2 + even / 2
    return gaussian_map(centres, sigma_factor * size, size, even, density)


def normalize_density(
    density: Tensor, threshold: float = 0.0, shrink: float = 0.0, least: float = 0.01
) -> Tensor:
    """Make densities sum to 1 (PrDiMP, arXiv:2003.12565, section 4.3).

    Args:
        density: (..., H, W).
        threshold: Values below it become 0 first.
        shrink: Share that is taken away last.
        least: A map of no larger sum, whose target is elsewhere, becomes uniform.
    """
    density = density.where(density >= threshold, 0)
    total = density.sum(dim=(-2, -1), keepdim=True)
    uniform = 1 / (density.shape[-2] * density.shape[-1])
    found = total > least
    return (1 - shrink) * (density / total.where(found, 1)).where(found, uniform)


def side_distances(boxes: Tensor, size: int, stride: int) -> Tensor:
    """How far the centre of each cell is from the sides of a box (ToMP, arXiv:2203.11192).

    Args:
        boxes: (..., 4).
        size: Rows and columns S of the map.
        stride: Pixels of a cell.

    Returns:
        (..., 4, S, S) to the left, top, right and bottom, as shares of the search area's side;
        negative beyond a side.
    """
    x1, y1, w, h = boxes[..., None, None].unbind(dim=-3)
    centres = (torch.arange(size, device=boxes.device) + 0.5) * stride
    x, y = torch.broadcast_tensors(centres, centres[:, None])
    return torch.stack([x - x1, y - y1, x1 + w - x, y1 + h - y], dim=-3) / (size * stride)


def centre_region(boxes: Tensor, size: int, stride: int, radius: float) -> Tensor:
    """The cells by which a box is told, as in FCOS (arXiv:1904.01355).

    Args:
        boxes: (..., 4).
        size: Rows and columns S of the map.
        stride: Pixels of a cell.
        radius: Cells around the centre, along each axis; 0 for all cells inside the box.

    Returns:
        (..., S, S) bool; only cells inside the box.
    """
    inside = (side_distances(boxes, size, stride) > 0).all(dim=-3)
    if radius == 0:
        return inside
    centre = boxes[..., :2] + boxes[..., 2:] / 2
    reach = torch.full_like(centre, radius * stride)
    near = side_distances(torch.cat([centre - reach, 2 * reach], dim=-1), size, stride)
    return inside & (near > 0).all(dim=-3)
