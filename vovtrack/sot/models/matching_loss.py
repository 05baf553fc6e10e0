"""How well candidates are matched, where only some matches may be known.

A partner is its index in the other frame, ``ALONE`` or ``IGNORED``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ALONE = -1
"""There is no partner."""
IGNORED = -2
"""Whether there is one is not known."""


class MatchingLoss(NamedTuple):
    """Of each pair of frames, (B,).

    Attributes:
        total: Mean of the next two.
        matched: Mean surprise at candidates that are the same.
        alone: Mean surprise at candidates without a partner.
        num_matched: Pairs of candidates that are the same; at least 1.
        num_alone: Candidates without a partner, of both frames; at least 1.
    """

    total: Tensor
    matched: Tensor
    alone: Tensor
    num_matched: Tensor
    num_alone: Tensor


def matching_loss(log_assignment: Tensor, first: Tensor, second: Tensor) -> MatchingLoss:
    """Negative logarithm of the probability of what is known.

    One loss serves both kinds of training of KeepTrack (arXiv:2103.16556, section 3.5): of two
    views of one frame all partners are known, of two frames only the target's.

    Args:
        log_assignment: (B, M + 1, N + 1) of :class:`CandidateMatcher`.
        first: (B, M) partners of the candidates of the first frame.
        second: (B, N) partners of those of the second.
    """
    same, one, other = first >= 0, first == ALONE, second == ALONE
    to_partner = log_assignment[:, :-1].gather(2, first.clamp(min=0)[..., None])[..., 0]
    matched = -torch.where(same, to_partner, 0).sum(dim=1)
    alone = -torch.where(one, log_assignment[:, :-1, -1], 0).sum(dim=1)
    alone = alone - torch.where(other, log_assignment[:, -1, :-1], 0).sum(dim=1)
    num_matched = same.sum(dim=1).clamp(min=1)
    num_alone = (one.sum(dim=1) + other.sum(dim=1)).clamp(min=1)
    matched, alone = matched / num_matched, alone / num_alone
    return MatchingLoss((matched + alone) / 2, matched, alone, num_matched, num_alone)


class MatchingScores(NamedTuple):
    """Of each pair of frames, (B,); NaN where nothing is counted.

    Attributes:
        recall: Share of known partners that were found.
        precision: Share of the partners found for candidates that have one which are right.
    """

    recall: Tensor
    precision: Tensor


def matching_scores(found: NDArray[np.int64], first: Tensor) -> MatchingScores:
    """Compare the partners of the first frame's candidates.

    Args:
        found: (B, M) of :meth:`CandidateMatcher.match`.
        first: (B, M) the right ones.
    """
    said, same = torch.as_tensor(found, device=first.device), first >= 0
    right = (same & (said == first)).sum(dim=1)
    return MatchingScores(right / same.sum(dim=1), right / (same & (said >= 0)).sum(dim=1))
