"""A start for point trackers that are trained from scratch: as a plain matcher of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from vovtrack.point.models.blocks import AttentionLayer, Layer
from vovtrack.point.models.decoder import TokenDecoder
from vovtrack.point.models.deformable import MultiScaleDeformableAttention

if TYPE_CHECKING:
    from vovtrack.point.models.track_on import TrackOn

LIFT = 10.0
"""Added to tokens before a ReLU and taken off after it, so that it cuts off nothing."""
MIX = (2.0, 1.0, 0.5, 0.5)
"""Weights of the similarity at each scale, the finest first."""


@torch.no_grad()
def start_as_matcher(model: TrackOn) -> None:
    """Let a Track-On that has learned nothing look for the patch that looks like the query.

    Random layers between a query and the map it is compared with make of a point something that
    is nowhere, and to undo that takes most of a short training. So every residual branch starts
    at zero (Zhang et al., Fixup, ICLR 2019), and every projection on the way hands its input on.

    Args:
        model: With random weights.
    """
    for part in model.modules():
        if isinstance(part, Layer):
            nn.init.zeros_(part.linear2.weight)
        if isinstance(part, AttentionLayer):
            nn.init.zeros_(part.mha.out_proj.weight)
        if isinstance(part, MultiScaleDeformableAttention):
            nn.init.zeros_(part.output_proj.weight)
        if isinstance(part, TokenDecoder):
            _hand_on(part)
    nn.init.zeros_(model.sm_query_updater.query_residual.weight)
    nn.init.zeros_(model.sm_query_updater.query_residual.bias)
    for projection in (
        model.projection1,
        model.projection2,
        model.rerank_module.sample_query_fusion,
    ):
        _identity(projection)
    model.corr_layer.weight.copy_(torch.tensor(MIX).view_as(model.corr_layer.weight))


def _hand_on(decoder: TokenDecoder) -> None:
    for layer in (decoder.linear1, decoder.linear2, decoder.linear3):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.constant_(decoder.linear1.bias, LIFT)
    _identity(decoder.linear4)
    nn.init.constant_(decoder.linear4.bias, -LIFT)


def _identity(linear: nn.Linear) -> None:
    """The first inputs are the outputs; others, if there are more, do not count."""
    nn.init.zeros_(linear.bias)
    nn.init.eye_(linear.weight)
