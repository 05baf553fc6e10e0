"""From a query and its patch to the exact place, and whether it can be seen."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from vovtrack.point.models.blocks import DeformableLayer
from vovtrack.point.models.pyramid import Pyramid


class OffsetHead(nn.Module):
    """Moves a point from the centre of its patch, by at most ``reach`` pixels in x and in y.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        layers: Deformable layers; each gives an offset, the last one counts.
        reach: Largest offset in pixels.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        dropout: float = 0.1,
        layers: int = 3,
        reach: float = 4.0,
    ) -> None:
        super().__init__()
        self.reach = reach
        self.local_transformer = nn.ModuleList(
            DeformableLayer(embed_dims, num_heads, dropout) for _ in range(layers)
        )
        self.offset_layer = nn.Sequential(nn.LayerNorm(embed_dims), nn.Linear(embed_dims, 2))

    def forward(
        self, queries: Tensor, places: Tensor, pyramid: Pyramid, chunk: int | None = None
    ) -> Tensor:
        """Offsets (L, B, N, 2) in pixels, of every layer.

        Args:
            queries: (B, N, C).
            places: (B, N, 2) centres of the patches, from 0 to 1.
            pyramid: Of the frame.
            chunk: Queries at a time; None for all.
        """
        layers = self.local_transformer
        return self.reach * steps(queries, places, pyramid, layers, self.offset_layer, chunk)


class VisibilityHead(nn.Module):
    """Says whether a point can be seen, and whether it may be wrong.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.decoder_layer = DeformableLayer(embed_dims, num_heads, dropout)
        self.vis_layer = nn.Linear(2 * embed_dims, 1)
        self.unc_layer = nn.Linear(2 * embed_dims, 1)

    def forward(
        self, queries: Tensor, places: Tensor, pyramid: Pyramid, chunk: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, N) that points are visible, and that they are hidden or far off.

        Args:
            queries: (B, N, C).
            places: (B, N, 2) the points, from 0 to 1.
            pyramid: Of the frame.
            chunk: Queries at a time; None for all.
        """
        around = self.decoder_layer(queries, pyramid.tokens, places, pyramid.shapes, chunk)
        both = torch.cat([queries, around], dim=-1)
        return self.vis_layer(both).squeeze(-1).float(), self.unc_layer(both).squeeze(-1).float()


class PredictionHead(nn.Module):
    """Offset, visibility and doubt of a point in one.

    Source: Track-On2 (Aydemir et al., arXiv 2509.19115).

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        layers: Deformable layers; each gives an offset, the last one counts.
        reach: Largest offset in pixels, in x and in y.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 4,
        dropout: float = 0.1,
        layers: int = 3,
        reach: float = 4.0,
    ) -> None:
        super().__init__()
        self.reach = reach
        self.offset_transformer = nn.ModuleList(
            DeformableLayer(embed_dims, num_heads, dropout) for _ in range(layers)
        )
        self.offset_layer = nn.Sequential(nn.LayerNorm(embed_dims), nn.Linear(embed_dims, 2))
        self.vis_layer = _two_layers(embed_dims)
        self.unc_layer = _two_layers(embed_dims)

    def forward(
        self, queries: Tensor, places: Tensor, pyramid: Pyramid, chunk: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What is said of points.

        Args:
            queries: (B, N, C).
            places: (B, N, 2) centres of the patches, from 0 to 1.
            pyramid: Of the frame.
            chunk: Queries at a time; None for all.

        Returns:
            Offsets (L, B, N, 2) in pixels, of every layer, and logits (B, N) that points are
            visible, and that they are hidden or far off.
        """
        layers = self.offset_transformer
        offsets = steps(queries, places, pyramid, layers, self.offset_layer, chunk)
        visible, uncertain = self.vis_layer(queries), self.unc_layer(queries)
        return self.reach * offsets, visible.squeeze(-1).float(), uncertain.squeeze(-1).float()


def steps(
    queries: Tensor,
    places: Tensor,
    pyramid: Pyramid,
    layers: Iterable[nn.Module],
    last: nn.Module,
    chunk: int | None = None,
) -> Tensor:
    """Offsets (L, B, N, 2) from -1 to 1, of every layer.

    Args:
        queries: (B, N, C).
        places: (B, N, 2) from 0 to 1.
        pyramid: Of the frame.
        layers: Deformable layers, through which queries go one after the other.
        last: From a query to its two numbers.
        chunk: Queries at a time; None for all.
    """
    offsets = []
    for layer in layers:
        queries = layer(queries, pyramid.tokens, places, pyramid.shapes, chunk)
        offsets.append(last(queries).float().tanh())
    return torch.stack(offsets)


def _two_layers(embed_dims: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(embed_dims, embed_dims), nn.ReLU(), nn.Linear(embed_dims, 1))
