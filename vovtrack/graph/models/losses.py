"""What the graph network learns from: right pairs, and descriptions of scenes and of objects."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.graph.models.network import Judged
from vovtrack.registry import MODELS


def edge_loss(
    logits: Tensor, labels: Tensor, gamma: float = 1.0, counted: Tensor | None = None
) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017) without balance, of each judged step.

    Args:
        logits: (S, 2, E).
        labels: (2, E) bool.
        gamma: Exponent of what was missing to be sure.
        counted: (E,) pairs that count; all do if none does.

    Returns:
        (S,) means.
    """
    target = labels.to(logits.dtype).expand_as(logits)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    loss = (1 - (-loss).exp()) ** gamma * loss
    if counted is not None and counted.any():
        loss = loss[..., counted]
    return loss.flatten(1).mean(dim=1)


def scene_loss(edges: Tensor, scene: Tensor, video: Tensor) -> Tensor:
    """How far edges are from the description of their video's scene, after each judged step.

    Descriptions are averaged to the width of edges; both become distributions. Since all edges of a
    video have one target, only their mean direction is told.

    Args:
        edges: (S, 2E, C).
        scene: (B, D) embedded descriptions.
        video: (2E,) row of each edge's video.

    Returns:
        (S,) mean Kullback-Leibler divergences over edges.
    """
    target = F.adaptive_avg_pool1d(scene[None], edges.shape[-1])[0].softmax(dim=1)
    entropy = torch.special.entr(target).sum(dim=1)
    crossed = -(edges.log_softmax(dim=-1) * target[video]).sum(dim=-1)
    return (crossed - entropy[video]).mean(dim=1)


def instance_loss(guided: Tensor, described: Tensor) -> Tensor:
    """How far nodes are from the descriptions of what they show.

    Args:
        guided: (M, C) of nodes.
        described: (N, C) embedded description of each detection.

    Returns:
        Mean Kullback-Leibler divergence over nodes; 0 if nodes are not single detections.
    """
    if guided.shape != described.shape or not len(guided):
        return guided.new_zeros(())
    target = described.softmax(dim=1)
    return F.kl_div(guided.log_softmax(dim=1), target, reduction="batchmean")


@MODELS.register_module()
class GraphLosses(BaseModule):
    """All losses of a level; of those of edges and scenes the sum over judged steps.

    Args:
        scene_weight: Of :func:`scene_loss`.
        instance_weight: Of :func:`instance_loss`.
        gamma: See :func:`edge_loss`.
        known_only: Whether only pairs count, both of whose nodes show known objects. The released
            program stops if there are descriptions, too; here those count for all edges.
    """

    def __init__(
        self,
        scene_weight: float = 1.0,
        instance_weight: float = 1.0,
        gamma: float = 1.0,
        known_only: bool = False,
    ) -> None:
        super().__init__()
        self.scene_weight, self.instance_weight = scene_weight, instance_weight
        self.gamma, self.known_only = gamma, known_only

    def forward(
        self,
        judged: Judged,
        labels: Tensor,
        known: Tensor,
        scene: tuple[Tensor, Tensor] | None = None,
        described: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a graph with pairs.

        Args:
            judged: Of the network.
            labels: (2, E) bool.
            known: (E,) pairs, both of whose nodes show known objects.
            scene: (B, D) descriptions of scenes and (2E,) which is each edge's, if there are any.
            described: (N, C) description of each detection, if there are any.
        """
        counted = known if self.known_only else None
        losses = {"loss_edges": edge_loss(judged.logits, labels, self.gamma, counted).sum()}
        if judged.guided is not None and scene is not None:
            losses["loss_scene"] = self.scene_weight * scene_loss(judged.edges, *scene).sum()
        if judged.guided is not None and described is not None:
            of_nodes = instance_loss(judged.guided, described)
            losses["loss_instances"] = self.instance_weight * of_nodes
        return losses
