"""Precise RoI pooling, by which a box can be improved along its own gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def precise_roi_pool(feat: Tensor, boxes: Tensor, bins: tuple[int, int], scale: float) -> Tensor:
    """The mean of a map over each bin of each box, without sampling.

    Precise RoI pooling (Jiang et al., ECCV 2018, arXiv:1807.11590, equation 6) integrates the
    bilinearly interpolated map. The integral of a cell's kernel over a bin is the product of one
    for its rows and one for its columns, so pooling is two matrix products, which are
    differentiable by the map and by the boxes. The map is 0 outside, to which it decays over one
    cell.

    Args:
        feat: (B, C, H, W) map; its value i lies at coordinate i.
        boxes: (B, K, 4) boxes (x1, y1, x2, y2) of each image.
        bins: Rows P and columns Q of bins in a box.
        scale: Cells of the map per unit of ``boxes``.

    Returns:
        (B, K, C, P, Q); 0 without gradient for boxes without area.
    """
    x1, y1, x2, y2 = (boxes * scale).unbind(dim=-1)
    rows, height = _coverage(y1, y2, bins[0], feat.shape[-2])
    columns, width = _coverage(x1, x2, bins[1], feat.shape[-1])
    has_area = (height > 0) & (width > 0)
    area = torch.where(has_area, height * width, 1)
    summed = torch.einsum("bkph,bchw->bkpcw", rows, feat)
    pooled = torch.einsum("bkpcw,bkqw->bkcpq", summed, columns)
    return pooled * (has_area / area)[..., None, None, None]


def _coverage(start: Tensor, end: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """Along one axis, the integral of each cell's kernel over each bin, and the length of a bin.

    Args:
        start: (B, K) where boxes start, in cells.
        end: (B, K) where they end.
        bins: Bins of a box.
        size: Cells of the axis.

    Returns:
        (B, K, bins, size) and (B, K).
    """
    length = (end - start) / bins
    edges = start[..., None] + length[..., None] * torch.arange(bins + 1, device=start.device)
    # The kernel 1 - |u| of a cell, integrated from its centre to u.
    u = (edges[..., None] - torch.arange(size, device=start.device)).clamp(-1, 1)
    return (u - u * u.abs() / 2).diff(dim=-2), length
