"""The decoders: of the tokens of a frame, and of the queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

        def look_back(sequence: Tensor, layer: nn.Module, newest: bool) -> Tensor:
            step = partial(remember, layer=layer, table=table, newest=newest)
            return in_chunks(step, chunk, sequence, ignore)

        layers = zip(self.token_to_query, self.query_to_query, self.memory_to_query, strict=True)
        return decode(layers, queries, tokens, memory, alone, look_back)


def decode(
    layers: Iterable[tuple[nn.Module, nn.Module, nn.Module]],
    queries: Tensor,
    tokens: Tensor,
    memory: Tensor,
    alone: Tensor | None,
    look_back: Callable[[Tensor, nn.Module, bool], Tensor],
) -> Tensor:
    """Queries through layers that look at the frame, at each other and at their own past.

    Args:
        layers: Of each the three attentions.
        queries: (B, N, C).
        tokens: (B, P, C) of the frame.
        memory: (B, N, M, C) what the queries were decoded to in the past, oldest first.
        alone: (B, N) queries that others do not look at; None if there are none.
        look_back: Past and present (B, N, M + 1, C) through the third attention; where its last
            argument is true, only now is wanted, (B, N, 1, C).

    Returns:
        (B, N, C).
    """
    each = list(layers)
    for number, (to_tokens, to_queries, to_memory) in enumerate(each, start=1):
        queries = to_tokens(queries, tokens, tokens)
        queries = to_queries(queries, queries, queries, alone)
        sequence = torch.cat([memory, queries[:, :, None]], dim=2)
        sequence = look_back(sequence, to_memory, number == len(each))
        memory, queries = sequence[:, :, :-1], sequence[:, :, -1]
    return queries


def remember(
    sequence: Tensor, ignore: Tensor, layer: nn.Module, table: Tensor, newest: bool
) -> Tensor:
    """The context step of Track-On: as :func:`attend_past`, but a sequence without a past stays."""
    found = attend_past(sequence, ignore, layer, table, newest)
    empty = ignore.all(dim=-1)[..., None, None]
    return torch.where(empty, sequence[:, :, -found.shape[2] :], found)


def attend_past(
    sequence: Tensor, ignore: Tensor, layer: nn.Module, table: Tensor, newest: bool
) -> Tensor:
    """Past and present of each query through one layer.

    Args:
        sequence: (B, N, M + 1, C) the past, and now.
        ignore: (B, N, M) slots of the past that say nothing; now always says something.
        layer: Attention within each sequence.
        table: (M + 1, C) embeddings of time.
        newest: Only now is wanted: then (B, N, 1, C) is returned.
    """
    timed = sequence + table
    hidden = F.pad(ignore, (0, 1), value=False)
    asked = timed[:, :, -1:] if newest else timed
    return layer(asked, timed, sequence, hidden)
