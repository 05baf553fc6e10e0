"""The decoders: of the tokens of a frame, and of the queries."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models.blocks import AttentionLayer, in_chunks
from vovtrack.point.models.memory import time_table


class TokenDecoder(nn.Module):
    """Makes the tokens of a frame comparable with decoded queries.

    Args:
        embed_dims: Channels.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dims, embed_dims)
        self.linear2 = nn.Linear(embed_dims, embed_dims)
        self.linear3 = nn.Linear(embed_dims, embed_dims)
        self.linear4 = nn.Linear(embed_dims, embed_dims)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, P, C) to (B, P, C)."""
        for layer in (self.linear1, self.linear2, self.linear3):
            tokens = F.relu(layer(tokens) + tokens)
        return self.linear4(tokens)


class QueryDecoder(nn.Module):
    """Decodes queries with the frame, with each other and with their own past.

    Source: Track-On (Aydemir et al., arXiv 2501.18487), with its context memory.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
        layers: Number of layers.
        slots: Past frames in training.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int = 8,
        dropout: float = 0.1,
        layers: int = 3,
        slots: int = 12,
    ) -> None:
        super().__init__()
        self.slots = slots
        shape = (embed_dims, num_heads, dropout)
        self.time_embedding = nn.Parameter(torch.zeros(1, slots + 1, embed_dims))
        self.token_to_query = nn.ModuleList(AttentionLayer(*shape) for _ in range(layers))
        self.query_to_query = nn.ModuleList(AttentionLayer(*shape) for _ in range(layers))
        self.memory_to_query = nn.ModuleList(AttentionLayer(*shape) for _ in range(layers))
        nn.init.trunc_normal_(self.time_embedding, std=0.02)

    def forward(
        self,
        queries: Tensor,
        tokens: Tensor,
        memory: Tensor,
        ignore: Tensor,
        alone: Tensor | None = None,
        chunk: int | None = None,
    ) -> Tensor:
        """Decode.

        Args:
            queries: (B, N, C).
            tokens: (B, P, C) of the frame.
            memory: (B, N, M, C) what the queries were decoded to in the past, oldest first.
            ignore: (B, N, M) slots that say nothing.
            alone: (B, N) queries that others do not look at; None if there are none.
            chunk: Queries at a time where each looks at its own past; None for all.

        Returns:
            (B, N, C).
        """
        table = time_table(self.time_embedding, memory.shape[2])
        layers = zip(self.token_to_query, self.query_to_query, self.memory_to_query, strict=True)
        last = len(self.token_to_query) - 1
        for index, (to_tokens, to_queries, to_memory) in enumerate(layers):
            queries = to_tokens(queries, tokens, tokens)
            queries = to_queries(queries, queries, queries, alone)
            sequence = torch.cat([memory, queries[:, :, None]], dim=2)
            step = partial(remember, layer=to_memory, table=table, newest=index == last)
            sequence = in_chunks(step, chunk, sequence, ignore)
            memory, queries = sequence[:, :, :-1], sequence[:, :, -1]
        return queries


def remember(
    sequence: Tensor, ignore: Tensor, layer: nn.Module, table: Tensor, newest: bool
) -> Tensor:
    """The context step: past and present of each query through one layer.

    Args:
        sequence: (B, N, M + 1, C) the past, and now.
        ignore: (B, N, M) slots of the past that say nothing; a sequence without others stays.
        layer: Attention within each sequence.
        table: (M + 1, C) embeddings of time.
        newest: Only now is wanted: then (B, N, 1, C) is returned.
    """
    timed = sequence + table
    hidden = F.pad(ignore, (0, 1), value=False)
    asked = slice(-1, None) if newest else slice(None)
    found = layer(timed[:, :, asked], timed, sequence, hidden)
    empty = ignore.all(dim=-1)[..., None, None]
    return torch.where(empty, sequence[:, :, asked], found)
