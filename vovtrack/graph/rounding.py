"""From probabilities of pairs to tracks: every node follows, and is followed by, at most one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vovtrack.errors import InputError

HALF = 0.5


class Links(NamedTuple):
    """Pairs that could be links.

    Attributes:
        pairs: (2, E) those that are at least as likely as not.
        probability: (E,) of these.
        chosen: (E,) bool, those that are links.
        satisfied: Share of nodes, once for each side with pairs, that already had at most one
            before rounding; NaN without pairs.
    """

    pairs: NDArray[np.int64]
    probability: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    satisfied: float


def round_links(
    pairs: NDArray[np.int64], probability: NDArray[np.floating], method: str = "exact"
) -> Links:
    """Choose the links (SUSHI, CVPR 2023; MPNTrack, CVPR 2020, section 3.4).

    Args:
        pairs: (2, E) nodes, the earlier one first.
        probability: (2, E) that they are of one object, told forward and backward.
        method: ``exact``: the most probable choice, by a linear program over the pairs of nodes
            with more than one. ``greedy``: each such node keeps its most probable pair, first the
            nodes that are followed, then those that follow.

    Raises:
        InputError: There is no such method, or the solver finds no choice.
    """
    mean = probability.astype(np.float64).mean(axis=0)
    kept = np.flatnonzero(mean >= HALF)
    kept = kept[np.lexsort(pairs[::-1, kept])]
    pairs, mean = pairs[:, kept], mean[kept]
    likely = mean > HALF
    sides = [_Side(ends, likely) for ends in pairs]
    nodes = sum(side.nodes for side in sides)
    satisfied = 1 - sum(side.crowded.sum() for side in sides) / nodes if nodes else float("nan")
    if method == "exact":
        chosen = _solve(pairs, mean, likely, sides)
    elif method == "greedy":
        chosen = likely
        for ends in pairs:
            chosen = chosen & _best(ends, np.where(chosen, mean, 0))
    else:
        raise InputError(f"Rounding '{method}': expected 'exact' or 'greedy'.")
    return Links(pairs, mean, chosen, float(satisfied))


class _Side:
    """Nodes on one side of pairs.

    Args:
        ends: (E,) these nodes.
        likely: (E,) pairs that would be chosen if there were no others.
    """

    def __init__(self, ends: NDArray[np.int64], likely: NDArray[np.bool_]) -> None:
        degree = np.bincount(ends[likely], minlength=ends.max(initial=-1) + 1)
        self.crowded = degree > 1
        self.touched = self.crowded[ends]
        self.nodes = len(np.unique(ends))


def _solve(
    pairs: NDArray[np.int64],
    probability: NDArray[np.float64],
    likely: NDArray[np.bool_],
    sides: list[_Side],
) -> NDArray[np.bool_]:
    """The choice with the largest sum of 2 p - 1, where nodes have more than one pair."""
    chosen = likely.copy()
    open_pairs = np.flatnonzero(np.logical_or.reduce([side.touched for side in sides]))
    if not len(open_pairs):
        return chosen
    first = np.unique(pairs[0, open_pairs], return_inverse=True)[1]
    second = np.unique(pairs[1, open_pairs], return_inverse=True)[1] + first.max() + 1
    columns = np.arange(len(open_pairs))
    at_most_one = coo_matrix(
        (np.ones(2 * len(columns)), (np.concatenate([first, second]), np.tile(columns, 2)))
    ).tocsr()
    found = linprog(
        1 - 2 * probability[open_pairs],
        A_ub=at_most_one,
        b_ub=np.ones(at_most_one.shape[0]),
        bounds=(0, 1),
        method="highs-ds",
    )
    if found.x is None:
        raise InputError(f"No tracks were found among {len(columns)} pairs: {found.message}")
    chosen[open_pairs] = found.x > HALF
    return chosen


def _best(ends: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each pair has the largest value of all pairs of its node, of equal ones the first."""
    order = np.lexsort((-value, ends))
    first = np.ones(len(ends), dtype=bool)
    first[1:] = np.diff(ends[order]) > 0
    best = np.zeros(len(ends), dtype=bool)
    best[order[first]] = True
    return best


def clusters_of(links: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """Number of each node's cluster, of nodes that are linked, in the order of first nodes.

    Args:
        links: (2, L).
        nodes: How many there are.
    """
    graph = coo_matrix((np.ones(links.shape[1]), (links[0], links[1])), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1]
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].astype(np.int64)
