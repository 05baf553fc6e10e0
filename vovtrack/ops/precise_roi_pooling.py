"""Precise RoI pooling, by which a box can be improved along its own gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Slope = Callable[[Tensor], Tensor]
"""From derivatives by what was pooled, (B, K, C, P, Q), to those by the boxes, (B, K, 4)."""


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
    return precise_roi_pool_with_slope(feat, boxes, bins, scale)[0]


def precise_roi_pool_with_slope(
    feat: Tensor, boxes: Tensor, bins: tuple[int, int], scale: float
) -> tuple[Tensor, Slope]:
    """See :func:`precise_roi_pool`; with the derivative by the boxes (equation 7) written out.

    It takes a fraction of the operations of autograd.
    """
    x1, y1, x2, y2 = (boxes * scale).unbind(dim=-1)
    rows, columns = _Axis(y1, y2, bins[0], feat.shape[-2]), _Axis(x1, x2, bins[1], feat.shape[-1])
    has_area = (rows.length > 0) & (columns.length > 0)
    share = has_area / torch.where(has_area, rows.length * columns.length, 1)
    # Channels last, so that all of it is products of few large matrices.
    maps = feat.permute(0, 2, 3, 1)
    by_rows = (rows.coverage * share[..., None, None]).flatten(1, 2)
    summed = (by_rows @ maps.flatten(2)).view(*rows.coverage.shape[:3], *maps.shape[2:])
    across = columns.coverage[:, :, None]
    pooled = across @ summed

    def slope(by_pooled: Tensor) -> Tensor:
        by_pooled = by_pooled.permute(0, 1, 3, 4, 2)
        spread = (across.transpose(-2, -1) @ by_pooled).flatten(3).flatten(1, 2)
        along_rows = (spread @ maps.flatten(2).transpose(1, 2)).view_as(rows.coverage)
        along_rows = along_rows * share[..., None, None]
        along_columns = (by_pooled @ summed.transpose(-2, -1)).sum(dim=2)
        # The longer a box, the less each cell counts.
        less = (pooled * by_pooled).sum(dim=(2, 3, 4))
        top, bottom = rows.slope(along_rows, less)
        left, right = columns.slope(along_columns, less)
        found = torch.stack([left, top, right, bottom], dim=-1) * scale
        return found.where(has_area[..., None], 0)

    return pooled.permute(0, 1, 4, 2, 3), slope


class _Axis:
    """Bins along one axis.

    Args:
        start: (B, K) where boxes start, in cells.
        end: (B, K) where they end.
        bins: Bins of a box.
        size: Cells of the axis.

    Attributes:
        length: (B, K) of a bin.
        coverage: (B, K, bins, size), the integral of each cell's kernel over each bin.
    """

    def __init__(self, start: Tensor, end: Tensor, bins: int, size: int) -> None:
        self.length = (end - start) / bins
        self._place = torch.arange(bins + 1, device=start.device)
        edges = start[..., None] + self.length[..., None] * self._place
        # The kernel 1 - |u| of a cell, integrated from its centre to u.
        u = (edges[..., None] - torch.arange(size, device=start.device)).clamp(-1, 1)
        self._distance = u.abs()
        self.coverage = (u - u * self._distance / 2).diff(dim=-2)

    def slope(self, by_coverage: Tensor, less: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives (B, K) by start and end.

        Args:
            by_coverage: (B, K, bins, size) derivatives by the coverage.
            less: (B, K) what is lost for each share of the length that is added.
        """
        # An edge is where one bin ends and the next begins.
        by_edge = -F.pad(by_coverage, (0, 0, 1, 1)).diff(dim=-2)
        by_edge = (by_edge * (1 - self._distance)).sum(dim=-1)
        share = self._place.to(by_edge) / self._place[-1]
        whole = less / (self.length * self._place[-1])
        return (by_edge * (1 - share)).sum(dim=-1) + whole, (by_edge * share).sum(dim=-1) - whole
