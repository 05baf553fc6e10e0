"""A second look at the most similar patches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from vovtrack.point.models.blocks import AttentionLayer, DeformableLayer
from vovtrack.point.models.patches import patch_centres
from vovtrack.point.models.pyramid import Pyramid, scramble_coarsest


class Rerank(nn.Module):
    """Encodes the best patches of every query and fuses them into it.

    Source: Track-On (Aydemir et al., arXiv 2501.18487).

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        k: Patches looked at.
        layers: Deformable layers that encode them.
        fusion_layers: Layers that collect them.
        stride: Side of a patch in pixels.
        level4: Coarsest map: ``legacy`` as the released model was trained, see
            :func:`scramble_coarsest`, or ``pooled``.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        dropout: float = 0.1,
        k: int = 16,
        layers: int = 3,
        fusion_layers: int = 1,
        stride: int = 4,
        level4: Literal["legacy", "pooled"] = "legacy",
    ) -> None:
        super().__init__()
        self.k = k
        self.stride = stride
        self.level4 = level4
        shape = (embed_dims, num_heads, dropout)
        self.local_patch_encoder = nn.ModuleList(DeformableLayer(*shape) for _ in range(layers))
        self.local_decoder = nn.ModuleList(AttentionLayer(*shape) for _ in range(fusion_layers))
        self.sample_projection = nn.Linear(2 * embed_dims, embed_dims)
        self.sample_uncertainty = nn.Linear(embed_dims, 1)
        self.sample_query_fusion = nn.Linear(2 * embed_dims, embed_dims)

    def prepare(self, tokens: Tensor, pyramid: Pyramid) -> Pyramid:
        """The pyramid that this part reads, from the tokens (B, P, C) and theirs."""
        return scramble_coarsest(tokens, pyramid) if self.level4 == "legacy" else pyramid

    def forward(
        self, queries: Tensor, best: Tensor, pyramid: Pyramid, chunk: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look again.

        Args:
            queries: (B, N, C).
            best: (B, N, k) numbers of the patches.
            pyramid: What :meth:`prepare` gives.
            chunk: Queries at a time in the deformable layers; None for all.

        Returns:
            The queries (B, N, C), the centres of the patches (B, N, k, 2) in pixels, and how
            uncertain each is (B, N, k), logits.
        """
        found, centres = look_again(
            queries, best, pyramid, self.local_patch_encoder, self.stride, chunk
        )
        repeated = queries[:, :, None].expand_as(found)
        found = self.sample_projection(torch.cat([repeated, found], dim=-1))
        uncertain = self.sample_uncertainty(found).squeeze(-1)
        collected = queries[:, :, None]
        for layer in self.local_decoder:
            collected = layer(collected, found, found)
        fused = torch.cat([queries, collected.squeeze(2)], dim=-1)
        return self.sample_query_fusion(fused), centres, uncertain


class RerankingHead(nn.Module):
    """Encodes the best patches of every query, ranks them and fuses them into it.

    Source: Track-On2 (Aydemir et al., arXiv 2509.19115).

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        k: Patches looked at.
        layers: Deformable layers that encode them.
        stride: Side of a patch in pixels.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 4,
        dropout: float = 0.1,
        k: int = 16,
        layers: int = 3,
        stride: int = 4,
    ) -> None:
        super().__init__()
        self.k = k
        self.stride = stride
        shape = (embed_dims, num_heads, dropout)
        self.local_decoder = nn.ModuleList(DeformableLayer(*shape) for _ in range(layers))
        self.fusion = AttentionLayer(*shape)
        self.fusion_layer = nn.Linear(2 * embed_dims, embed_dims)
        self.final_projection_layer = nn.Linear(2 * embed_dims, embed_dims)
        self.certainty_layer = nn.Linear(embed_dims, 1)
        self.score_layer = nn.Linear(embed_dims, 1)

    def forward(
        self, queries: Tensor, best: Tensor, pyramid: Pyramid, chunk: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Look again.

        Args:
            queries: (B, N, C).
            best: (B, N, k) numbers of the patches.
            pyramid: Of the frame.
            chunk: Queries at a time in the deformable layers; None for all.

        Returns:
            The queries (B, N, C), the centres of the patches (B, N, k, 2) in pixels, and logits
            (B, N, k) that each is wrong, and that it is the nearest of them.
        """
        found, centres = look_again(queries, best, pyramid, self.local_decoder, self.stride, chunk)
        repeated = queries[:, :, None].expand_as(found)
        found = self.fusion_layer(torch.cat([found, repeated], dim=-1))
        uncertain = self.certainty_layer(found).squeeze(-1)
        score = self.score_layer(found).squeeze(-1)
        fused = self.fusion(queries[:, :, None], found, found).squeeze(2)
        queries = self.final_projection_layer(torch.cat([fused, queries], dim=-1))
        return queries, centres, uncertain, score


def look_again(
    queries: Tensor,
    best: Tensor,
    pyramid: Pyramid,
    layers: Iterable[nn.Module],
    stride: int,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """What queries find at patches.

    Args:
        queries: (B, N, C).
        best: (B, N, k) numbers of the patches.
        pyramid: Of the frame.
        layers: Deformable layers.
        stride: Side of a patch in pixels.
        chunk: Queries at a time; None for all.

    Returns:
        (B, N, k, C), and the centres of the patches (B, N, k, 2) in pixels.
    """
    height, width = pyramid.shapes[0]
    centres = patch_centres(best, width, stride)
    size = centres.new_tensor([width * stride, height * stride])
    places = (centres / size).flatten(1, 2)
    k = best.shape[-1]
    found = queries[:, :, None].expand(-1, -1, k, -1).flatten(1, 2)
    rows = None if chunk is None else chunk * k
    for layer in layers:
        found = layer(found, pyramid.tokens, places, pyramid.shapes, rows)
    return found.unflatten(1, (-1, k)), centres
