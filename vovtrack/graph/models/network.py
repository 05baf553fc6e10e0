"""Message passing over the graphs of all levels, which tells how likely pairs are.

M nodes and E pairs. In the network every pair is two edges: first all pairs forward, from the
earlier to the later node, then all of them backward. Modules have the names that published weights
have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.registry import MODELS

EDGE_WIDTH, NODE_WIDTH, TEXT_WIDTH = 16, 32, 128
"""Of what the network knows of edges, of nodes, and of nodes where descriptions guide them."""
_EDGE_LAYERS, _UPDATE_LAYERS, _FLOW_LAYERS, _CLASS_LAYERS = (18, 18), (80,), (56,), (8,)
SHARING = ("none", "all_but_first", "all")


class Perceptron(nn.Module):
    """Linear layers with ReLUs.

    Args:
        sizes: Width of the input, of hidden layers and of the output.
        last_relu: Whether the output passes a ReLU, too.
        dropout: Share of values that are dropped in training.
    """

    def __init__(self, sizes: Sequence[int], last_relu: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, out in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(width, out), nn.ReLU(), nn.Dropout(dropout)]
        self.fc_layers = nn.Sequential(*(layers if last_relu else layers[:-2]))

    def forward(self, x: Tensor) -> Tensor:
        """(..., first size) to (..., last size)."""
        return self.fc_layers(x)


class Encoder(nn.Module):
    """First values of edges and nodes.

    Args:
        edge_features: Of a pair.
        node_features: Width of embeddings.
        language: Whether nodes pass the layers that descriptions guide.
    """

    def __init__(self, edge_features: int, node_features: int, language: bool) -> None:
        super().__init__()
        self.language = language
        self.edge_mlp = Perceptron((edge_features, *_EDGE_LAYERS, EDGE_WIDTH))
        self.node_mlp = Perceptron((node_features, TEXT_WIDTH, NODE_WIDTH))
        self.node_mlp1 = Perceptron((node_features, TEXT_WIDTH))
        self.node_mlp2 = Perceptron((TEXT_WIDTH, NODE_WIDTH))

    def forward(self, features: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Encode a graph.

        Args:
            features: (E, F) of pairs.
            embedding: (M, D) of nodes.

        Returns:
            (2E, 16) edges, (M, 32) nodes, and (M, 128) what descriptions guide, if they do.
        """
        edges = self.edge_mlp(features).repeat(2, 1)
        if not self.language:
            return edges, self.node_mlp(embedding), None
        guided = self.node_mlp1(embedding)
        return edges, self.node_mlp2(guided), guided


class EdgeModel(nn.Module):
    """Edges learn from their nodes."""

    def __init__(self) -> None:
        super().__init__()
        width = 2 * (NODE_WIDTH + EDGE_WIDTH)
        self.edge_mlp = Perceptron((width, *_UPDATE_LAYERS, EDGE_WIDTH))

    def forward(self, nodes: Tensor, pairs: Tensor, first: Tensor, edges: Tensor) -> Tensor:
        """Next values (2E, 16) of edges, from those of nodes, their first and last own ones."""
        source, target = nodes[pairs.flatten()], nodes[pairs.flip(0).flatten()]
        return self.edge_mlp(torch.cat([source, target, first, edges], dim=1))


class NodeModel(nn.Module):
    """Nodes learn from the edges to those before and from the edges to those after them."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (NODE_WIDTH + EDGE_WIDTH, *_FLOW_LAYERS, NODE_WIDTH)
        self.flow_in_mlp, self.flow_out_mlp = Perceptron(sizes), Perceptron(sizes)
        self.node_mlp = nn.Sequential(nn.Linear(2 * NODE_WIDTH, NODE_WIDTH), nn.ReLU())

    def forward(self, nodes: Tensor, pairs: Tensor, edges: Tensor) -> Tensor:
        """Next values (M, 32) of nodes."""
        earlier, later = pairs
        forward, backward = edges.chunk(2)
        to_later = self.flow_out_mlp(torch.cat([nodes[later], forward], dim=1))
        to_earlier = self.flow_in_mlp(torch.cat([nodes[earlier], backward], dim=1))
        none = nodes.new_zeros(len(nodes), NODE_WIDTH)
        flows = none.index_add(0, later, to_earlier), none.index_add(0, earlier, to_later)
        return self.node_mlp(torch.cat(flows, dim=1))


class MessagePassing(nn.Module):
    """Edges and nodes in turns (MPNTrack, Braso, Leal-Taixe, CVPR 2020, section 4.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.edge_model, self.node_model = EdgeModel(), NodeModel()

    def forward(
        self, nodes: Tensor, pairs: Tensor, first: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step: next edges, then next nodes."""
        edges = self.edge_model(nodes, pairs, first, edges)
        return edges, self.node_model(nodes, pairs, edges)


class Classifier(nn.Module):
    """Logits of edges."""

    def __init__(self) -> None:
        super().__init__()
        self.edge_mlp = Perceptron((EDGE_WIDTH, *_CLASS_LAYERS, 1), last_relu=False)

    def forward(self, edges: Tensor) -> Tensor:
        """(..., 16) to (...)."""
        return self.edge_mlp(edges)[..., 0]


class LevelNet(nn.Module):
    """The network of a level, see :class:`Encoder`."""

    def __init__(self, edge_features: int, node_features: int, language: bool) -> None:
        super().__init__()
        self.encoder = Encoder(edge_features, node_features, language)
        self.MPNet = MessagePassing()
        self.classifier = Classifier()


class Judged(NamedTuple):
    """What the network says of a graph.

    Attributes:
        logits: (S, 2, E) of pairs forward and backward, after each step that is judged.
        edges: (S, 2E, 16) what it knew of edges after these.
        guided: (M, 128) of nodes, what descriptions guide; None without language.
    """

    logits: Tensor
    edges: Tensor
    guided: Tensor | None

    @property
    def probability(self) -> Tensor:
        """(2, E) after the last step."""
        return self.logits[-1].sigmoid()


@MODELS.register_module()
class HierarchicalNet(BaseModule):
    """A network for each level of the hierarchy (SUSHI, CVPR 2023; LG-MOT, TCSVT 2025).

    Args:
        edge_features: Features of pairs at each level.
        node_features: Width of embeddings.
        sharing: Which levels have the same weights: ``none``, ``all_but_first`` or ``all``.
        language: Whether nodes pass the layers that descriptions guide in training. It must be as
            it was in training.
        use_embedding: Whether nodes begin with what they look like; else they all begin alike, as
            in the released runs, where nothing but edges tells of appearance.
        steps: Of message passing.
        judged_steps: The last so many of them are judged.

    Raises:
        InputError: There is no such sharing, or shared levels have different features.
    """

    def __init__(
        self,
        edge_features: Sequence[int] = (6, 7, 7, 7),
        node_features: int = 2048,
        sharing: str = "all_but_first",
        language: bool = True,
        use_embedding: bool = False,
        steps: int = 12,
        judged_steps: int = 11,
    ) -> None:
        super().__init__()
        if sharing not in SHARING:
            raise InputError(f"Sharing '{sharing}': expected one of {', '.join(SHARING)}.")
        alone = {"none": len(edge_features), "all_but_first": 1, "all": 0}[sharing]
        if len(set(edge_features[alone:])) > 1:
            raise InputError(
                f"Levels with {list(edge_features)} features cannot share weights; use "
                "sharing='none', or give shared levels the same features."
            )
        count = min(alone + 1, len(edge_features))
        own = [LevelNet(f, node_features, language) for f in edge_features[:count]]
        self.layers = nn.ModuleList(own[min(k, count - 1)] for k in range(len(edge_features)))
        self.edge_level_embed = nn.Embedding(len(edge_features), EDGE_WIDTH)
        self.node_features, self.use_embedding = node_features, use_embedding
        self.steps, self.judged_steps = steps, judged_steps

    def forward(self, level: int, pairs: Tensor, features: Tensor, embedding: Tensor) -> Judged:
        """Judge the pairs of a graph.

        Args:
            level: Which one, from 0.
            pairs: (2, E), the earlier node first.
            features: (E, F) of pairs.
            embedding: (M, D) of nodes.
        """
        net: LevelNet = self.layers[level]  # type: ignore[assignment]
        used = embedding if self.use_embedding else embedding.new_zeros(1, self.node_features)
        edges, nodes, guided = net.encoder(features, used)
        nodes = nodes.expand(len(embedding), -1)
        guided = None if guided is None else guided.expand(len(embedding), -1)
        first = edges = edges + self.edge_level_embed.weight[level]
        known = []
        for _ in range(self.steps):
            edges, nodes = net.MPNet(nodes, pairs, first, edges)
            known.append(edges)
        judged = torch.stack(known[-self.judged_steps :])
        return Judged(net.classifier(judged).unflatten(1, (2, -1)), judged, guided)
