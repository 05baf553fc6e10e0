"""Which pairs are right: the nearest in time of the same object, in each direction on its own."""

from __future__ import annotations

import torch
from torch import Tensor

from vovtrack.graph.detections import UNKNOWN, Nodes


def edge_labels(nodes: Nodes, pairs: Tensor) -> Tensor:
    """Labels of pairs in both directions.

    A pair is right forward if the later node is the nearest of the same object that follows the
    earlier one among the pairs, and backward if the earlier node is the nearest that precedes the
    later one. Both differ where a nearer pair was pruned or nodes of an object overlap in time.
    Of equally near ones the first pair is right.

    Args:
        nodes: M of a level, with identities.
        pairs: (2, E).

    Returns:
        (2, E) bool, forward and backward.
    """
    first, second = pairs
    identity = nodes.identity
    same = ((identity[first] == identity[second]) & (identity[first] != UNKNOWN)).nonzero()[:, 0]
    gap = nodes.start[second[same]] - nodes.end[first[same]]
    order = gap * pairs.shape[1] + same
    labels = torch.zeros(pairs.shape, dtype=torch.bool, device=pairs.device)
    for direction, ends in enumerate(pairs[:, same]):
        nearest = order.new_zeros(len(nodes))
        nearest.scatter_reduce_(0, ends, order, "amin", include_self=False)
        labels[direction, same] = order == nearest[ends]
    return labels


def known_pairs(nodes: Nodes, pairs: Tensor) -> Tensor:
    """Pairs (2, E), both of whose nodes have an identity: (E,) bool."""
    return (nodes.identity[pairs] != UNKNOWN).all(dim=0)
