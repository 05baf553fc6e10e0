"""What a query remembers of how it looked: the spatial memory, and the time of its slots."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models.blocks import AttentionLayer, DeformableLayer, in_chunks
from vovtrack.point.models.pyramid import Pyramid


def time_table(trained: Tensor, slots: int) -> Tensor:
    """The embeddings of ``slots`` past frames and of now.

    Source: Track-On (Aydemir et al., arXiv 2501.18487): a memory may be longer in use than in
    training. The embeddings of the past are stretched linearly; that of now stays.

    Args:
        trained: (1, M + 1, C) oldest first, now last.
        slots: Slots in use.

    Returns:
        (slots + 1, C).
    """
    past, now = trained[0, :-1], trained[0, -1:]
    if len(past) != slots:
        stretched = F.interpolate(past.T[None], slots, mode="linear", align_corners=True)
        past = stretched[0].T
    return torch.cat([past, now])


class SpatialMemory(nn.Module):
    """Refreshes a query from how its point looked in the frames where it was seen.

    Source: Track-On (Aydemir et al., arXiv 2501.18487).

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        slots: Past frames in training.
        writer_layers: Deformable layers that write.
        self_layers: Layers of attention among the slots of a query.
        cross_layers: Layers in which the query reads its slots.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        dropout: float = 0.1,
        slots: int = 12,
        writer_layers: int = 3,
        self_layers: int = 1,
        cross_layers: int = 1,
    ) -> None:
        super().__init__()
        self.slots = slots
        shape = (embed_dims, num_heads, dropout)
        self.time_embedding = nn.Parameter(torch.zeros(1, slots + 1, embed_dims))
        self.query_to_feature = nn.ModuleList(DeformableLayer(*shape) for _ in range(writer_layers))
        self.memory_to_memory = nn.ModuleList(AttentionLayer(*shape) for _ in range(self_layers))
        self.query_to_memory = nn.ModuleList(AttentionLayer(*shape) for _ in range(cross_layers))
        self.augment_layer = nn.Linear(2 * embed_dims, embed_dims)
        self.query_residual = nn.Linear(embed_dims, embed_dims)
        nn.init.trunc_normal_(self.time_embedding, std=0.02)

    def read(
        self, initial: Tensor, memory: Tensor, ignore: Tensor, chunk: int | None = None
    ) -> Tensor:
        """The queries of this frame.

        Args:
            initial: (B, N, C) how the points looked where they were asked for.
            memory: (B, N, M, C) oldest first.
            ignore: (B, N, M) slots that say nothing; a query without others stays as it was.
            chunk: Queries at a time; None for all.

        Returns:
            (B, N, C).
        """
        table = time_table(self.time_embedding, memory.shape[2])

        def read(initial: Tensor, memory: Tensor, ignore: Tensor) -> Tensor:
            empty = ignore.all(dim=-1, keepdim=True)
            ignore = ignore & ~empty
            slots = memory
            for layer in self.memory_to_memory:
                timed = slots + table[:-1]
                slots = layer(timed, timed, slots, ignore)
            query = initial[:, :, None]
            for layer in self.query_to_memory:
                query = layer(query + table[-1:], slots + table[:-1], slots, ignore)
            return torch.where(empty, initial, initial + self.query_residual(query.squeeze(2)))

        return in_chunks(read, chunk, initial, memory, ignore)

    def write(
        self,
        initial: Tensor,
        queries: Tensor,
        places: Tensor,
        pyramid: Pyramid,
        chunk: int | None = None,
    ) -> Tensor:
        """What the points look like in this frame, for the newest slot.

        Args:
            initial: (B, N, C).
            queries: (B, N, C) after re-ranking.
            places: (B, N, 2) the points, from 0 to 1.
            pyramid: Of the tokens before the token decoder.
            chunk: Queries at a time; None for all.

        Returns:
            (B, N, C).
        """
        written = self.augment_layer(torch.cat([queries, initial], dim=-1))
        for layer in self.query_to_feature:
            written = layer(written, pyramid.tokens, places, pyramid.shapes, chunk)
        return written
