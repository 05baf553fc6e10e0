"""Networks with recorded or drawn weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from tests.seeded import seeded_state_dict
from vovtrack.graph.levels import Level
from vovtrack.graph.models import HierarchicalNet, HierarchicalTracker

FIRST_SHARED = "layers.1."


def with_shared(weights: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Weights whose levels above the second are those of the second."""
    full = dict(weights)
    for key in weights:
        if key.startswith(FIRST_SHARED):
            for level in range(2, levels):
                full[f"layers.{level}.{key.removeprefix(FIRST_SHARED)}"] = weights[key]
    return full


def drawn(net: HierarchicalNet, salt: str, gain: float = 1.0) -> None:
    """Give a network weights that are functions of their names."""
    shapes = {key: list(value.shape) for key, value in net.state_dict().items()}
    weights = seeded_state_dict(shapes, salt)
    if net.layers[-1] is net.layers[1]:
        weights = with_shared(weights, len(net.layers))
    for key, value in weights.items():
        if value.ndim == 2 and key != "edge_level_embed.weight":
            weights[key] = gain * value
    net.load_state_dict(weights)


def tracker(levels: tuple[Level, ...], **settings: Any) -> HierarchicalTracker:
    """A tracker of some levels.

    Args:
        levels: Of its hierarchy.
        settings: Of the network, but for ``rounding``.
    """
    rounding = settings.pop("rounding", "exact")
    network = dict(type="HierarchicalNet", **settings)
    losses = dict(type="GraphLosses")
    return HierarchicalTracker([asdict(level) for level in levels], network, losses, rounding)
