"""One answer from many votes."""

from __future__ import annotations

from collections.abc import Mapping


def majority_class(votes: Mapping[int, float]) -> int:
    """The class of a track whose boxes disagree: the one with the most votes.

    Args:
        votes: Number of boxes, or sum of their scores, by class.

    Returns:
        The winner; of equally good ones the smallest number.
    """
    return min(votes, key=lambda label: (-votes[label], label))
