"""A second look at the most similar patches."""

from __future__ import annotations

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
        height, width = pyramid.shapes[0]
        centres = patch_centres(best, width, self.stride)
        size = centres.new_tensor([width * self.stride, height * self.stride])
        places = (centres / size).flatten(1, 2)
        repeated = queries[:, :, None].expand(-1, -1, self.k, -1)
        found = repeated.flatten(1, 2)
        rows = None if chunk is None else chunk * self.k
        for layer in self.local_patch_encoder:
            found = layer(found, pyramid.tokens, places, pyramid.shapes, rows)
        found = torch.cat([repeated, found.unflatten(1, (-1, self.k))], dim=-1)
        found = self.sample_projection(found)
        uncertain = self.sample_uncertainty(found).squeeze(-1)
        collected = queries[:, :, None]
        for layer in self.local_decoder:
            collected = layer(collected, found, found)
        fused = torch.cat([queries, collected.squeeze(2)], dim=-1)
        return self.sample_query_fusion(fused), centres, uncertain
