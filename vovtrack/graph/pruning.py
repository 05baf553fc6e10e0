"""Which pairs are worth a look: those that are among the nearest of both of their nodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.graph.detections import Nodes, feet
from vovtrack.graph.motion import Motion, motion_score
from vovtrack.graph.pairs import CandidatePairs
from vovtrack.graph.similarity import cosine, embedding_distance

BLOCK = 2**19
"""Pairs that are scored at once; what is kept of them is linear in the nodes."""
_TIME_SCALE, _WAY_SCALE, _DISTANCE_SCALE = 40.0, 100.0, 20.0
"""Frames, pixels and embedding distances after which a term has fallen to 1/e."""
_MOTION = re.compile(r"motion_(0*)([1-9]\d*)")


class Scored(NamedTuple):
    """Pairs with what they were measured by.

    Attributes:
        pairs: (2, P).
        score: (P,) lower is nearer.
        motion: (P,) what :func:`motion_score` gives, None without motion.
        distance: (P,) what :func:`embedding_distance` gives, None if it was not needed.
    """

    pairs: Tensor
    score: Tensor
    motion: Tensor | None
    distance: Tensor | None

    def select(self, rows: Tensor) -> Scored:
        """Only some of the pairs, by a (P,) mask."""
        rest = (None if column is None else column[rows] for column in self[1:])
        return Scored(self.pairs[:, rows], *rest)  # type: ignore[arg-type]

    def extend(self, other: Scored) -> Scored:
        """Both, these first."""
        columns = (
            None if a is None or b is None else torch.cat([a, b], dim=-1)
            for a, b in zip(self, other, strict=True)
        )
        return Scored(*columns)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Measure:
    """Scores of the pairs of a level.

    Args:
        nodes: Its nodes.
        method: ``geometry``: pixels between feet. ``reid``: distance of embeddings. ``lpc``: time,
            feet and embeddings alike. ``motion_005`` and others: motion with the weight that the
            digits are behind the point, here 0.05, and embeddings.
        similarity: ``l2`` or ``cosine``, see :func:`embedding_distance`.
        motion: Of the nodes, None at the first level.
        horizon: See :func:`motion_score`.
    """

    nodes: Nodes
    method: str
    similarity: str = "l2"
    motion: Motion | None = None
    horizon: int = 0

    def __call__(self, pairs: Tensor) -> Scored:
        """Measure pairs (2, P).

        Raises:
            InputError: There is no such method, or it needs motion where there is none.
        """
        nodes, motion, distance = self.nodes, None, None
        if self.motion is not None:
            motion = motion_score(nodes, self.motion, pairs, self.horizon)
        if self.method == "reid" or self.method.startswith("motion"):
            distance = embedding_distance(nodes.embedding, pairs, self.similarity)
        if self.method == "geometry":
            score = _way(nodes, pairs)
        elif self.method == "reid" and distance is not None:
            score = distance
        elif self.method == "lpc":
            time = (nodes.start[pairs[1]] - nodes.end[pairs[0]]) / _TIME_SCALE
            near = (-time).exp() + (-_way(nodes, pairs) / _WAY_SCALE).exp()
            score = 1 - (near + cosine(nodes.embedding, pairs)) / 3
        elif motion is not None and distance is not None:
            weight = motion_weight(self.method)
            alike = (-distance / _DISTANCE_SCALE).exp()
            score = 2 - (weight * motion + (1 - weight) * alike)
        else:
            raise InputError(
                f"Pruning by '{self.method}': expected 'geometry', 'reid' or 'lpc', or above the "
                "first level 'motion_005' or another weight."
            )
        return Scored(pairs, score, motion, distance)


def motion_weight(method: str) -> float:
    """The weight in a name: 0.05 in ``motion_005``, 0.1 in ``motion_01``.

    Raises:
        InputError: There is none.
    """
    found = _MOTION.fullmatch(method)
    if found is None:
        raise InputError(f"Pruning by '{method}': expected 'motion_' and digits, as 'motion_005'.")
    return int(found[2]) * 10.0 ** -len(found[1])


def _way(nodes: Nodes, pairs: Tensor) -> Tensor:
    """Pixels from the last feet of the earlier to the first ones of the later nodes: (P,)."""
    way = feet(nodes.start_box)[pairs[1]] - feet(nodes.end_box)[pairs[0]]
    return way.square().sum(dim=1).sqrt()


def nearest(pairs: Tensor, score: Tensor, k: int) -> Tensor:
    """Which pairs are among the nearest of their nodes.

    Of equally near ones those come first in which the node is the earlier one, then those first in
    the list.

    Args:
        pairs: (2, P).
        score: (P,) lower is nearer.
        k: How many a node has.

    Returns:
        (2, P) bool: among the nearest of the earlier, and of the later node.
    """
    node, bits = pairs.flatten(), (score + 0.0).view(torch.int32).long()
    in_order = torch.where(bits < 0, -(2**31) - bits - 1, bits).repeat(2)
    node, order = (node * 2**32 + in_order).sort(stable=True)
    node = (node + 2**31) >> 32
    size = torch.bincount(node)
    number = torch.arange(len(node), device=node.device)
    chosen = torch.empty_like(node, dtype=torch.bool)
    chosen[order] = number - (size.cumsum(0) - size)[node] < k
    return chosen.view(2, -1)


def prune(
    candidates: CandidatePairs,
    measure: Callable[[Tensor], Scored],
    k: int,
    block: int = BLOCK,
) -> Scored:
    """The pairs that are among the k nearest of both their nodes.

    Candidates are scored block by block; of each only what is near for one of the two nodes is
    kept, so that memory is linear in nodes while candidates are not.

    Args:
        candidates: All pairs of a level.
        measure: Scores of pairs (2, P).
        k: Pairs of a node.
        block: Pairs that are scored at once.
    """
    kept: Scored | None = None
    for pairs in candidates.blocks(block):
        scored = measure(pairs)
        kept = scored if kept is None else kept.extend(scored)
        near = nearest(kept.pairs, kept.score, k)
        kept, near = kept.select(near.any(dim=0)), near[:, near.any(dim=0)]
    assert kept is not None  # there is at least one block
    return kept.select(near.all(dim=0))
