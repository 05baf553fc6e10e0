"""One level of the hierarchy: from detections and clusters to a graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.graph.detections import Detections, Nodes, nodes_of
from vovtrack.graph.features import PLACE_FEATURES, place_features, time_feature
from vovtrack.graph.motion import motion_of
from vovtrack.graph.pairs import candidate_pairs
from vovtrack.graph.pruning import Measure, prune
from vovtrack.graph.similarity import embedding_distance


@dataclass(frozen=True)
class Level:
    """How the graph of a level is made.

    Attributes:
        coverage: Frames that a node of the next level may span; see :func:`candidate_pairs`.
        pruning: See :class:`Measure`.
        motion_length: Frames at either end of a node that its motion is taken from; 0 for none, as
            at the first level, where nodes are single boxes.
        motion_horizon: See :func:`motion_score`.
        centre_motion: Whether only centres move, see :func:`motion_of`.
        neighbours: Pairs of a node that are kept, see :func:`prune`.
        similarity: ``l2`` or ``cosine``, see :func:`embedding_distance`.
        use_place: Whether pairs are told how places and sizes differ.
        use_embedding: Whether pairs are told the distance of their embeddings.
        min_share: See :func:`nodes_of`.
    """

    coverage: int
    pruning: str = "motion_005"
    motion_length: int = 0
    motion_horizon: int = 0
    centre_motion: bool = True
    neighbours: int = 10
    similarity: str = "l2"
    use_place: bool = True
    use_embedding: bool = True
    min_share: float = 0.5

    @property
    def features(self) -> int:
        """Number of features of a pair."""
        place = PLACE_FEATURES if self.use_place else 0
        return 1 + place + self.use_embedding + bool(self.motion_length)


def check_levels(levels: tuple[Level, ...]) -> None:
    """Refuse levels that do not fit together.

    Raises:
        InputError: There are none, the frames of one are not a multiple of those before, or the
            first has motion.
    """
    frames = [level.coverage for level in levels]
    fits = all(b % a == 0 and b > a for a, b in zip(frames[:-1], frames[1:], strict=True))
    if not levels or frames[0] < 2 or not fits:
        raise InputError(
            f"Frames per level {frames}: expected at least 2, and each a multiple of the one before"
            ", as [5, 25, 75, 150]."
        )
    if levels[0].motion_length:
        raise InputError("The first level has single boxes, which have no motion.")


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph of a level.

    Attributes:
        nodes: M nodes.
        pairs: (2, E) nodes that may be of one object, the earlier one first.
        features: (E, F) of each pair: seconds between both; way and growth, see
            :func:`place_features`; distance of embeddings; and :func:`motion_score`.
    """

    nodes: Nodes
    pairs: Tensor
    features: Tensor


def build_graph(detections: Detections, cluster: Tensor | None, level: Level) -> Graph:
    """The graph of a level.

    Args:
        detections: N of a clip, at least one.
        cluster: (N,) what they have been merged into so far, None at the first level.
        level: How.

    Raises:
        InputError: Clusters span more frames than this level allows.
    """
    nodes, motion = nodes_of(detections, cluster, level.min_share), None
    if cluster is not None and level.motion_length:
        motion = motion_of(
            detections, cluster, len(nodes), level.motion_length, level.centre_motion
        )
    candidates = candidate_pairs(nodes.start, nodes.end, level.coverage)
    measure = Measure(nodes, level.pruning, level.similarity, motion, level.motion_horizon)
    kept = prune(candidates, measure, level.neighbours)
    columns = [time_feature(nodes, kept.pairs)]
    if level.use_place:
        columns.append(place_features(nodes, kept.pairs))
    if level.use_embedding:
        distance = kept.distance
        if distance is None:
            distance = embedding_distance(nodes.embedding, kept.pairs, level.similarity)
        columns.append(distance[:, None])
    if level.motion_length:
        assert kept.motion is not None
        columns.append(kept.motion[:, None])
    return Graph(nodes, kept.pairs, torch.cat(columns, dim=1))
