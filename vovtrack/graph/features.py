"""What is told of a pair of nodes."""

from __future__ import annotations

import torch
from torch import Tensor

from vovtrack.graph.detections import Nodes, feet

PLACE_FEATURES = 4
"""Columns of :func:`place_features`."""


def time_feature(nodes: Nodes, pairs: Tensor) -> Tensor:
    """Seconds between the end of the earlier and the start of the later node of pairs: (P, 1)."""
    first, second = pairs
    seconds = (nodes.start[second] - nodes.end[first]) / nodes.fps[first]
    return seconds[:, None]


def place_features(nodes: Nodes, pairs: Tensor) -> Tensor:
    """Way between feet by mean height, and logarithms of how much heights and widths grow: (P, 4).

    As in MPNTrack (Braso, Leal-Taixe, CVPR 2020, section 4.2).
    """
    before, after = nodes.end_box[pairs[0]], nodes.start_box[pairs[1]]
    height = (before[:, 3:] + after[:, 3:]) / 2
    way = (feet(after) - feet(before)) / height
    growth = (after[:, [3, 2]] / before[:, [3, 2]]).log()
    return torch.cat([way, growth], dim=1)
