"""Similarities between two sets of embeddings, in numerically stable closed forms."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_Float = TypeVar("_Float", bound=np.floating[Any])


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every pair of rows.

    Args:
        a: (N, D) embeddings.
        b: (M, D) embeddings.

    Returns:
        (N, M) cosines in [-1, 1].
    """
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def row_scales(embeds: NDArray[_Float]) -> NDArray[_Float]:
    """Factors (N,) that bring the rows of ``embeds`` (N, D) to unit length; 0 for rows of zeros."""
    squares = np.einsum("nd,nd->n", embeds, embeds)
    scales: NDArray[_Float] = np.zeros_like(squares)
    np.divide(1, np.sqrt(squares), where=squares > 0, out=scales)
    return scales


def cosines(dots: NDArray[_Float], a: NDArray[_Float], b: NDArray[_Float]) -> NDArray[_Float]:
    """Cosines (N, M) of the rows of ``a`` (N, D) and ``b`` (M, D) from their dot products."""
    scaled: NDArray[_Float] = dots * row_scales(a)[:, None]
    scaled *= row_scales(b)
    return scaled


def bidirectional_softmax(logits: NDArray[_Float], eps: float = 1e-6) -> NDArray[_Float]:
    """Mean of the row-wise and the column-wise softmax of a similarity matrix.

    The bi-directional softmax of QDTrack (Pang et al., CVPR 2021, eq. 6) in the form
    ``exp(x) / (sum exp(x) + eps)``, evaluated relative to the largest entry: equal where the
    plain form is finite, and finite where the plain form overflows (dot products above 88).

    Args:
        logits: (N, M) similarities; ``-inf`` excludes a pair.
        eps: Added to each denominator; with 0 each row and column has a finite entry.

    Returns:
        (N, M) scores in [0, 1].
    """
    scores = softmax(logits, 1, eps)
    scores += softmax(logits, 0, eps)
    scores /= 2
    return scores


def softmax(logits: NDArray[_Float], axis: int, eps: float = 0.0) -> NDArray[_Float]:
    """Softmax of ``logits`` along ``axis``, arguments as of :func:`bidirectional_softmax`."""
    top = logits.max(axis=axis, keepdims=True)
    top[np.isneginf(top)] = 0
    exp: NDArray[_Float] = logits - top
    np.exp(exp, out=exp)
    total = exp.sum(axis=axis, keepdims=True)
    if eps:
        with np.errstate(over="ignore"):  # a far negative top makes eps the whole denominator
            total += eps * np.exp(-top)
    exp /= total
    return exp
