"""The tracker: level by level graphs are built, judged, and merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.graph.detections import Detections, join
from vovtrack.graph.labels import edge_labels, known_pairs
from vovtrack.graph.levels import Graph, Level, build_graph, check_levels
from vovtrack.graph.models.network import HierarchicalNet, Judged
from vovtrack.graph.rounding import Links, clusters_of, round_links
from vovtrack.registry import MODELS


@dataclass(frozen=True, eq=False)
class Example:
    """A window to learn from.

    Attributes:
        detections: With identities, at least one.
        scene: (1, D) embedded description of its scene, if there is one.
        described: (N, C) embedded description of what each detection shows, if there are any.
    """

    detections: Detections
    scene: Tensor | None = None
    described: Tensor | None = None


class Step(NamedTuple):
    """A level that was climbed.

    Attributes:
        graph: Of the level.
        judged: What the network says of it; None without pairs.
        links: What was merged; None where no next level asked for it, or without pairs.
        cluster: (N,) the clusters of detections that come of it.
    """

    graph: Graph
    judged: Judged | None
    links: Links | None
    cluster: Tensor


@MODELS.register_module()
class HierarchicalTracker(BaseModule):
    """Track a clip in a hierarchy of graphs (SUSHI, CVPR 2023; LG-MOT, TCSVT 2025).

    Args:
        levels: Arguments of :class:`Level`, one after another.
        network: :class:`HierarchicalNet`, but for the features of its edges.
        losses: :class:`GraphLosses`; None if it is not trained.
        rounding: See :func:`round_links`.

    Raises:
        InputError: Levels do not fit together.
    """

    def __init__(
        self,
        levels: Sequence[dict[str, Any]],
        network: dict[str, Any],
        losses: dict[str, Any] | None = None,
        rounding: str = "exact",
    ) -> None:
        super().__init__()
        self.levels = tuple(Level(**level) for level in levels)
        check_levels(self.levels)
        features = [level.features for level in self.levels]
        self.network: HierarchicalNet = MODELS.build(dict(network, edge_features=features))
        self.losses = None if losses is None else MODELS.build(losses)
        self.rounding = rounding

    def climb(self, clip: Detections, levels: int, merge_last: bool) -> Iterator[Step]:
        """Build, judge and merge one level after another.

        Args:
            clip: At least one detection, over no more frames than the last level reaches; or
                several clips that were joined.
            levels: How many.
            merge_last: Whether the last of them is merged, too.
        """
        cluster: Tensor | None = None
        for number, level in enumerate(self.levels[:levels]):
            graph = build_graph(clip, cluster, level)
            nodes, judged, links = graph.nodes, None, None
            if cluster is None:
                cluster = torch.arange(len(nodes), device=nodes.start.device)
            if graph.pairs.shape[1]:
                judged = self.network(number, graph.pairs, graph.features, nodes.embedding)
            if judged is not None and (merge_last or number < levels - 1):
                probability = judged.probability.detach().cpu().numpy()
                links = round_links(graph.pairs.cpu().numpy(), probability, self.rounding)
                label = clusters_of(links.pairs[:, links.chosen], len(nodes))
                cluster = torch.from_numpy(label).to(cluster.device)[cluster]
            yield Step(graph, judged, links, cluster)

    @torch.no_grad()
    def cluster(self, clip: Detections) -> Tensor:
        """The tracks of a clip: (N,) a number for each detection, from 0 by first frames.

        Args:
            clip: At least one detection, over no more frames than the last level reaches.
        """
        return [step.cluster for step in self.climb(clip, len(self.levels), True)][-1]

    def loss(self, examples: Sequence[Example], levels: int) -> list[dict[str, Tensor]]:
        """Losses of windows that are looked at together.

        Each level learns on what the network itself made of the level before.

        Args:
            examples: Some windows; all of them have descriptions of a kind, or none has.
            levels: How many levels learn, from the first.

        Returns:
            Of each of these levels; without pairs there is nothing to learn.
        """
        assert self.losses is not None, "the tracker was built without losses"
        clip = join([e.detections for e in examples], self.levels[-1].coverage)
        sizes = torch.tensor([len(e.detections) for e in examples], device=clip.frame.device)
        begins = clip.frame[sizes.cumsum(0) - sizes]
        scenes = [e.scene for e in examples if e.scene is not None]
        texts = [e.described for e in examples if e.described is not None]
        described = torch.cat(texts) if texts else None
        found: list[dict[str, Tensor]] = []
        for graph, judged, *_ in self.climb(clip, levels, False):
            if judged is None:
                found.append({})
                continue
            scene = None
            if scenes:
                starts = graph.nodes.start[graph.pairs].flatten()
                video = torch.searchsorted(begins, starts, right=True) - 1
                scene = torch.cat(scenes), video
            labels = edge_labels(graph.nodes, graph.pairs)
            known = known_pairs(graph.nodes, graph.pairs)
            found.append(self.losses(judged, labels, known, scene, described))
        return found


def levels_to_learn(iteration: int, unlock_after: int, levels: int) -> int:
    """How many levels learn at an iteration: one more every so many, or all at once.

    Args:
        iteration: From 0.
        unlock_after: Iterations before the next level learns, too; 0 for all at once.
        levels: How many there are.
    """
    return min(levels, 1 + iteration // unlock_after) if unlock_after else levels
