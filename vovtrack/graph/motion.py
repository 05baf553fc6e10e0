"""Where nodes were going: steady motion of centres, and how well that of two nodes meets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from vovtrack.graph.detections import Detections, Nodes, centred, edge_member
from vovtrack.ops.boxes import corners_of

NO_MOTION = -2.0
"""Score of a pair, one of whose nodes has no motion."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Steady motion of nodes.

    Attributes:
        forward: (M, 4) pixels per frame of (x, y, width, height) after the last frame.
        backward: (M, 4) the same back in time, before the first.
        known: (M,) bool, False where a node is seen too rarely.
    """

    forward: Tensor
    backward: Tensor
    known: Tensor


def motion_of(
    detections: Detections, cluster: Tensor, count: int, length: int, centre_only: bool = True
) -> Motion:
    """The motion of clusters (LG-MOT; SUSHI, CVPR 2023, section 4.3).

    The mean step of a track whose gaps are filled by lines is the whole way over the whole time,
    so that the boxes in between are never made.

    Args:
        detections: N of a clip.
        cluster: (N,) number of each detection's cluster.
        count: Number of clusters, M.
        length: Frames at either end that are looked at.
        centre_only: Widths and heights stay as they are.
    """
    forward, steps = _way(detections, cluster, count, length, ahead=True)
    backward, steps_back = _way(detections, cluster, count, length, ahead=False)
    if centre_only:
        forward[:, 2:] = 0
        backward[:, 2:] = 0
    return Motion(forward, backward, (steps > 0) & (steps_back > 0))


def _way(
    detections: Detections, cluster: Tensor, count: int, length: int, ahead: bool
) -> tuple[Tensor, Tensor]:
    """Mean step (M, 4) of clusters at one end, and the number of steps (M,)."""
    frame = detections.frame
    edge = edge_member(cluster, frame, count, latest=ahead)
    near = (frame - frame[edge][cluster]).abs() < length
    far = edge_member(cluster[near], frame[near], count, latest=not ahead)
    far = near.nonzero()[:, 0][far]
    steps = (frame[edge] - frame[far]).abs()
    boxes = centred(detections.box)
    return (boxes[edge] - boxes[far]) / steps.clamp(min=1)[:, None], steps


def motion_score(nodes: Nodes, motion: Motion, pairs: Tensor, horizon: int) -> Tensor:
    """How well the motion of the earlier node and of the later one back in time meet.

    Args:
        nodes: M of a level.
        motion: Of these.
        pairs: (2, P).
        horizon: Frames after which a node is thought to stand still.

    Returns:
        (P,) generalised overlap of both predicted boxes in the middle of the gap, from -1 to 1;
        ``NO_MOTION`` where a node has no motion.
    """
    first, second = pairs
    gap = nodes.start[second] - nodes.end[first]
    half = (gap / 2).clamp(max=horizon)
    end, start = centred(nodes.end_box), centred(nodes.start_box)
    ahead = end[first] + half.ceil()[:, None] * motion.forward[first]
    back = start[second] + half.floor().clamp(min=1)[:, None] * motion.backward[second]
    score = _overlap(ahead, back)
    next_frame = (gap == 1).nonzero()[:, 0]
    score[next_frame] = (
        _overlap(ahead[next_frame], start[second[next_frame]])
        + _overlap(back[next_frame], end[first[next_frame]])
    ) / 2
    known = motion.known[first] & motion.known[second]
    return torch.where(known, score.clamp(-1, 1), NO_MOTION)


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Generalised overlap (Rezatofighi et al., CVPR 2019) of centred boxes (P, 4): (P,)."""
    corners = (corners_of(torch.cat([x[:, :2] - x[:, 2:] / 2, x[:, 2:]], dim=1)) for x in (a, b))
    return 1 - generalized_box_iou_loss(*corners)
