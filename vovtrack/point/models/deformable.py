"""Multi-scale deformable attention in plain PyTorch, under the parameter names of mmcv."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiScaleDeformableAttention(nn.Module):
    """Every query reads a few places of several maps, and says itself where and how much.

    Source: Deformable DETR (Zhu et al., arXiv 2010.04159, equation 3). As in mmcv's operator, which
    checkpoints were trained with, the query is added to what is returned.

    Args:
        embed_dims: Channels of queries and values.
        num_heads: Attention heads.
        num_levels: Number of maps.
        num_points: Places that each head reads in each map.
        dropout: Probability of dropping outputs in training.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, 2 * samples)
        self.attention_weights = nn.Linear(embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Start with each head looking into a direction of its own, point by point further."""
        angles = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
        directions = directions / directions.abs().amax(dim=-1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1)
        bias = directions[:, None, None] * steps[:, None]
        bias = bias.expand(-1, self.num_levels, -1, -1)
        nn.init.zeros_(self.sampling_offsets.weight)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(bias.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, query: Tensor, value: Tensor, places: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Read the maps.

        Args:
            query: (B, Q, C).
            value: (B, S, C) the cells of all maps, row by row, one map after the other.
            places: (B, Q, 2) where a query stands, x and y from 0 to 1.
            shapes: (height, width) of the maps.

        Returns:
            (B, Q, C), the query added.
        """
        return self.read(query, self.value_proj(value), places, shapes)

    def read(
        self, query: Tensor, projected: Tensor, places: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """As :meth:`forward`, with ``value_proj(value)`` as values, for queries that share it."""
        grid = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).unflatten(-1, (*grid, 2)).float()
        weights = self.attention_weights(query).unflatten(-1, (self.num_heads, -1))
        weights = weights.float().softmax(dim=-1).unflatten(-1, grid[1:])
        sizes = offsets.new_tensor([(width, height) for height, width in shapes])
        # In cells, counted from the centre of the first one.
        cells = places[:, :, None, None, None] * sizes[:, None] + offsets - 0.5
        found = gather_weighted(projected, cells, weights, shapes)
        return self.dropout(self.output_proj(found)) + query


def gather_weighted(
    value: Tensor, cells: Tensor, weights: Tensor, shapes: Sequence[tuple[int, int]]
) -> Tensor:
    """Bilinear samples of maps, weighted and summed in one gather; cells outside are zero.

    Args:
        value: (B, S, C) the cells of all maps.
        cells: (B, Q, h, L, P, 2) places (x, y) in cells of the map, the first one's centre at 0.
        weights: (B, Q, h, L, P).
        shapes: (height, width) of the L maps.

    Returns:
        (B, Q, C): head after head, each its C / h channels.
    """
    batch, rows, _ = value.shape
    heads, queries = cells.shape[2], cells.shape[1]
    whole = value.new_tensor(shapes, dtype=torch.int)
    height, width = whole[:, :1], whole[:, 1:]
    starts = (height * width).cumsum(0, dtype=torch.int) - height * width
    first_row = rows * torch.arange(batch, device=value.device, dtype=torch.int)
    first_row = first_row[:, None, None, None, None] + starts
    head = torch.arange(heads, device=value.device, dtype=torch.int)[:, None, None]
    columns = _neighbours(cells[..., 0], width)
    lines = [
        ((first_row + y * width) * heads + head, share * weights)
        for y, share in _neighbours(cells[..., 1], height)
    ]
    index = [line + x * heads for line, _ in lines for x, _ in columns]
    share = [of_line * of_column for _, of_line in lines for _, of_column in columns]
    found = F.embedding_bag(
        torch.stack(index, dim=-1).view(batch * queries * heads, -1),
        value.reshape(batch * rows * heads, -1),
        per_sample_weights=torch.stack(share, -1).view(batch * queries * heads, -1).to(value.dtype),
        mode="sum",
    )
    return found.view(batch, queries, -1)


def _neighbours(cells: Tensor, size: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The cells before and after places on an axis of ``size`` cells, and the share of each.

    A cell beyond the ends is moved to the end, with a share of 0.
    """
    low = cells.floor()
    part, before = cells - low, low.int()
    found = []
    for cell, share in ((before, 1 - part), (before + 1, part)):
        inside = cell.clamp(min=0).minimum(size - 1)
        found.append((inside, share * (inside == cell)))
    return found
