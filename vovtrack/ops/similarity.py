"""Similarities between two sets of embeddings, in numerically stable closed forms."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every pair of rows.

    Args:
        a: (N, D) embeddings.
        b: (M, D) embeddings.

    Returns:
        (N, M) cosines in [-1, 1].
    """
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def bidirectional_softmax(logits: Tensor, eps: float = 1e-6) -> Tensor:
    """Mean of the row-wise and the column-wise softmax of a similarity matrix.

    The bi-directional softmax of QDTrack (Pang et al., CVPR 2021, eq. 6) in the form
    ``exp(x) / (sum exp(x) + eps)``, evaluated as ``exp(x - log(sum exp(x) + eps))``: equal where
    the plain form is finite, and finite where the plain form overflows (dot products above 88).

    Args:
        logits: (N, M) similarities; ``-inf`` excludes a pair.
        eps: Added to each denominator.

    Returns:
        (N, M) scores in [0, 1].
    """
    log_eps = logits.new_tensor(math.log(eps))
    rows = torch.logaddexp(torch.logsumexp(logits, dim=1, keepdim=True), log_eps)
    cols = torch.logaddexp(torch.logsumexp(logits, dim=0, keepdim=True), log_eps)
    return (torch.exp(logits - rows) + torch.exp(logits - cols)) / 2
