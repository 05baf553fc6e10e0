"""One-to-one assignments in which an item may stay alone."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def log_sinkhorn(scores: Tensor, bin_score: Tensor, iterations: int) -> Tensor:
    """Assign items to items, or to a dustbin, as likely as their scores say.

    Sinkhorn's algorithm in logarithms (SuperGlue, arXiv:1911.11763, equations 8 to 10): rows and
    columns of items are to sum to 1, and the dustbin of either side has room for all items of the
    other.

    Args:
        scores: (..., M, N).
        bin_score: () of an item with a dustbin.
        iterations: After each, columns are exact, and rows the better the more there are.

    Returns:
        Logarithms (..., M + 1, N + 1); the last row and column are of the dustbins.
    """
    m, n = scores.shape[-2:]
    # A padding of zeros, so that the score of the dustbins keeps its gradient.
    full = F.pad(scores, (0, 1, 0, 1))
    is_bin = F.pad(torch.zeros_like(scores, dtype=torch.bool), (0, 1, 0, 1), value=True)
    full = torch.where(is_bin, bin_score, full)
    room_of_rows, room_of_columns = scores.new_zeros(m + 1), scores.new_zeros(n + 1)
    room_of_rows[-1], room_of_columns[-1] = math.log(n), math.log(m)
    columns = torch.zeros_like(full[..., 0, :])
    rows = torch.zeros_like(full[..., 0])
    for _ in range(iterations):
        rows = room_of_rows - (full + columns[..., None, :]).logsumexp(dim=-1)
        columns = room_of_columns - (full + rows[..., None]).logsumexp(dim=-2)
    return full + rows[..., None] + columns[..., None, :]
