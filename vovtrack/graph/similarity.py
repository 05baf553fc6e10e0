"""How much nodes look alike: distances of embeddings over many pairs, without a copy for each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-6
"""What :func:`torch.nn.functional.pairwise_distance` adds to every component."""
_TILE = 2**16
"""Pairs that are measured by one product of matrices."""
_VALUES = 2**20
"""Values that are gathered at once, so that they stay in the cache."""
_DENSE = 16
"""A product is cheaper than gathering if it makes at most so many times the values."""


def embedding_distance(embedding: Tensor, pairs: Tensor, kind: str = "l2") -> Tensor:
    """Distance of the embeddings of each pair.

    Args:
        embedding: (M, D).
        pairs: (2, P), best with the pairs of a node side by side.
        kind: ``l2``, or ``cosine`` for 2 minus the cosine.

    Returns:
        (P,) float32.
    """
    if kind == "l2":
        return _l2(embedding, pairs)
    return 2 - cosine(embedding, pairs)


def cosine(embedding: Tensor, pairs: Tensor) -> Tensor:
    """Cosine of the embeddings of each pair (2, P): (P,) float32."""
    return _products(F.normalize(embedding, dim=1, eps=1e-8), pairs).float()


def _l2(embedding: Tensor, pairs: Tensor) -> Tensor:
    """Euclidean distance of each pair with the offset of ``pairwise_distance``.

    In double precision the detour over products is exact enough for equal embeddings.
    """
    sums = [_sums(part.double()) for part in embedding.split(1024)]
    total, square = torch.cat(sums, dim=1)
    first, second = pairs
    squared = square[first] + square[second] - 2 * _products(embedding, pairs)
    squared += 2 * _EPSILON * (total[first] - total[second])
    squared += embedding.shape[1] * _EPSILON**2
    return squared.clamp(min=0).sqrt().float()


def _sums(values: Tensor) -> Tensor:
    """Sums of rows (N, D) and of their squares: (2, N)."""
    return torch.stack([values.sum(dim=1), values.square().sum(dim=1)])


def _products(embedding: Tensor, pairs: Tensor) -> Tensor:
    """Dot product of each pair in double precision: (P,).

    Where pairs are dense, as candidates are, products of matrices give them; else embeddings are
    gathered.
    """
    return torch.cat([_tile(embedding, tile) for tile in pairs.split(_TILE, dim=1)])


def _tile(embedding: Tensor, pairs: Tensor) -> Tensor:
    rows, row = pairs[0].unique_consecutive(return_inverse=True)
    low, high = (0, 0) if not len(row) else (int(x) for x in pairs[1].aminmax())
    if len(rows) * (high - low) <= _DENSE * len(row):
        product = embedding[rows].double() @ embedding[low : high + 1].double().T
        return product[row, pairs[1] - low]
    gathered = [
        (embedding[first].double() * embedding[second]).sum(dim=1)
        for first, second in zip(
            *(x.split(_VALUES // embedding.shape[1]) for x in pairs), strict=True
        )
    ]
    return torch.cat(gathered)
