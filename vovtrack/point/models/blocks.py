"""The two layers that every part of the point tracker is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models.deformable import MultiScaleDeformableAttention

FFN_RATIO = 4
"""Hidden channels of the last part of a layer, in embeddings; a property of the checkpoints."""


def in_chunks(function: Callable[..., Tensor], size: int | None, *rows: Tensor) -> Tensor:
    """``function(*rows)``, computed a part of the rows at a time to bound its memory.

    Args:
        function: Gives a row (B, n, ...) for each row.
        size: Rows in a part; None for all at once.
        *rows: (B, N, ...) each.
    """
    if size is None or rows[0].shape[1] <= size:
        return function(*rows)
    parts = zip(*(tensor.split(size, dim=1) for tensor in rows), strict=True)
    return torch.cat([function(*part) for part in parts], dim=1)


class Attention(nn.Module):
    """Multi-head attention with the parameters of ``nn.MultiheadAttention``.

    It never holds the table of all weights, which PyTorch's own does in evaluation, so that memory
    grows with the number of queries and not with its square.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping weights in training.
    """

    def __init__(self, embed_dims: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dims, embed_dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dims))
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, ignore: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            query: (..., Q, C).
            key: (..., S, C).
            value: (..., S, C).
            ignore: (..., S) keys that are not looked at, not all of a row.

        Returns:
            (..., Q, C).
        """
        if query.shape[-2] == 1 and not self.training:
            return self._attend_once(query.squeeze(-2), key, value, ignore).unsqueeze(-2)
        parts = zip(
            (query, key, value),
            self.in_proj_weight.chunk(3),
            self.in_proj_bias.chunk(3),
            strict=True,
        )
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(-2, -3)
            for x, weight, bias in parts
        )
        looked_at = None if ignore is None else ~ignore[..., None, None, :]
        dropout = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=looked_at, dropout_p=dropout)
        return self.out_proj(found.transpose(-2, -3).flatten(-2))

    def _attend_once(
        self, query: Tensor, key: Tensor, value: Tensor, ignore: Tensor | None
    ) -> Tensor:
        """As :meth:`forward` for a single query (..., C), without projecting its many keys.

        ``q (K x) = (q K) x`` and, since weights sum to 1, ``sum(w (V x + b)) = V sum(w x) + b``;
        what the key's bias adds is the same for all keys and drops out of the softmax.
        """
        for_query, for_key, for_value = self.in_proj_weight.chunk(3)
        q_bias, _, v_bias = self.in_proj_bias.chunk(3)
        heads = (self.num_heads, -1)
        asked = F.linear(query, for_query, q_bias).unflatten(-1, heads)
        asked = torch.einsum("...hd,hdc->...hc", asked, for_key.unflatten(0, heads))
        scores = asked @ key.transpose(-1, -2) * (len(q_bias) // self.num_heads) ** -0.5
        if ignore is not None:
            scores = scores.masked_fill(ignore[..., None, :], -torch.inf)
        read = scores.softmax(dim=-1) @ value
        found = torch.einsum("...hc,hdc->...hd", read, for_value.unflatten(0, heads))
        return self.out_proj(found.flatten(-2) + v_bias)


class Layer(nn.Module):
    """What follows the attention of a layer: norm, two linear layers, norm.

    Args:
        embed_dims: Channels.
        dropout: Probability of dropping values in training.
    """

    def __init__(self, embed_dims: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dims, FFN_RATIO * embed_dims)
        self.linear2 = nn.Linear(FFN_RATIO * embed_dims, embed_dims)
        self.norm1 = nn.LayerNorm(embed_dims)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.dropout = nn.Dropout(dropout)

    def finish(self, query: Tensor, read: Tensor) -> Tensor:
        """A query and what its attention read, (..., C) each, to the output of the layer."""
        x = self.norm1(query + self.dropout(read))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class AttentionLayer(Layer):
    """Attention among tokens.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values and weights in training.
    """

    def __init__(self, embed_dims: int = 256, num_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__(embed_dims, dropout)
        self.mha = Attention(embed_dims, num_heads, dropout)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, ignore: Tensor | None = None
    ) -> Tensor:
        """See :meth:`Attention.forward`."""
        return self.finish(query, self.mha(query, key, value, ignore))


class DeformableLayer(Layer):
    """Deformable attention to a pyramid of maps.

    The operator has added the query already, and it is added again: the checkpoints were trained
    so.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        dropout: Probability of dropping values in training.
    """

    def __init__(self, embed_dims: int = 256, num_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__(embed_dims, dropout)
        self.mha = MultiScaleDeformableAttention(embed_dims, num_heads, dropout=dropout)

    def forward(
        self,
        query: Tensor,
        pyramid: Tensor,
        places: Tensor,
        shapes: Sequence[tuple[int, int]],
        chunk: int | None = None,
    ) -> Tensor:
        """Read the pyramid, see :meth:`MultiScaleDeformableAttention.forward`.

        Args:
            query: (B, Q, C).
            pyramid: (B, S, C).
            places: (B, Q, 2).
            shapes: (height, width) of the maps.
            chunk: Queries at a time; None for all.
        """
        projected = self.mha.value_proj(pyramid)

        def read(query: Tensor, places: Tensor) -> Tensor:
            return self.finish(query, self.mha.read(query, projected, places, shapes))

        return in_chunks(read, chunk, query, places)
