"""A start for point trackers that are trained from scratch: as a plain matcher of patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vovtrack.point.models.blocks import AttentionLayer, DeformableLayer, Layer
from vovtrack.point.models.decoder import TokenDecoder
from vovtrack.point.models.deformable import MultiScaleDeformableAttention

if TYPE_CHECKING:
    from vovtrack.point.models.heads import OffsetHead, VisibilityHead
    from vovtrack.point.models.track_on import TrackOn

LIFT = 10.0
"""Added to tokens before a ReLU and taken off after it, so that it cuts off nothing."""
MIX = (0.5, 0.25, 0.125, 0.125)
"""Weights of the similarity at each scale, the finest first."""
NEAREST = 6.0
"""Logit of the place that a comparison looks at; that of the others is 0."""
PULL = 0.03
"""How far an offset goes, in reaches, for a difference of 1 between two sides of a point."""
FAR, STEEP = 0.73, 32.0
"""Distance between query and map, in lengths of the query, from which on a point is taken for
hidden, and how steeply."""


@torch.no_grad()
def start_as_matcher(model: TrackOn) -> None:
    """Let a Track-On that has learned nothing look for the patch that looks like the query.

    Random layers between a query and the map it is compared with make of a point something that
    is nowhere, and to undo that takes most of a short training. So every residual branch starts
    at zero (Zhang et al., Fixup, ICLR 2019), and every projection on the way hands its input on.
    The two heads start as comparisons as well, see :func:`_compare_around`, :func:`_compare_at`.

    Args:
        model: With random weights, and with as many channels of its image network as of tokens.
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
    _compare_around(model.offset_head)
    _compare_at(model.visibility_head)
    nn.init.zeros_(model.sm_query_updater.query_residual.weight)
    nn.init.zeros_(model.sm_query_updater.query_residual.bias)
    for projection in (
        model.backbone.token_projection,
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


def _compare_around(head: OffsetHead) -> None:
    """Move a point to the side on which the map looks more like the query.

    Each attention head looks one cell away in a direction of its own, and takes what it sees off
    its channels of the query. The sums of what is left there, over directions, are the offset.
    """
    layer, last = head.local_transformer[0], head.offset_layer[-1]
    assert isinstance(layer, DeformableLayer) and isinstance(last, nn.Linear), "as OffsetHead has"
    _subtract(layer.mha)
    channels, heads = layer.norm1.normalized_shape[0], layer.mha.num_heads
    angles = torch.arange(heads) * (2 * math.pi / heads)
    away = -torch.stack([angles.cos(), angles.sin()]).repeat_interleave(channels // heads, dim=1)
    axes = _axes(channels, 2)
    # Positive parts of x, then of -x: their sum is |x|, their difference x, which is cleared along
    # the axes to have nothing there but the offset.
    both = torch.eye(channels)
    layer.linear1.weight[: 2 * channels] = torch.cat([both, -both])
    layer.linear1.bias[: 2 * channels] = 0
    clear = axes.T @ axes
    layer.linear2.weight[:, : 2 * channels] = torch.cat(
        [axes.T @ away - clear, axes.T @ away + clear], dim=1
    )
    last.weight.copy_(PULL * axes)
    nn.init.zeros_(last.bias)


def _compare_at(head: VisibilityHead) -> None:
    """Say by how far the map is from the query, where the point is, whether it is visible.

    A norm follows, to which distances are all alike. So a constant goes with the difference, and
    is the smaller after the norm the greater the difference was.
    """
    layer = head.decoder_layer
    _subtract(layer.mha)
    nn.init.zeros_(layer.mha.sampling_offsets.bias)
    channels = layer.norm1.normalized_shape[0]
    (axis,) = _axes(channels, 1)
    length = channels**0.5  # of a query, which comes out of a norm
    layer.mha.output_proj.bias.copy_(length * axis)
    for linear, sign in ((head.vis_layer, 1.0), (head.unc_layer, -1.0)):
        nn.init.zeros_(linear.weight)
        linear.weight[0, channels:] = sign * STEEP / length * axis
        nn.init.constant_(linear.bias, -sign * STEEP / (1 + 4 * FAR**2) ** 0.5)


def _subtract(attention: MultiScaleDeformableAttention) -> None:
    """Take the finest map, at the nearest place of each head, off the query, which counts twice."""
    _identity(attention.value_proj)
    nn.init.eye_(attention.output_proj.weight)
    attention.output_proj.weight.mul_(-2)
    grid = (attention.num_heads, attention.num_levels, attention.num_points)
    attention.attention_weights.bias.view(grid)[:, 0, 0] = NEAREST


def _axes(channels: int, count: int) -> Tensor:
    """Directions (count, channels) of length 1 and mean 0, at right angles: square waves."""
    bits = torch.arange(count)[:, None]
    return (1.0 - 2 * ((torch.arange(channels) >> bits) % 2)) / channels**0.5


def _identity(linear: nn.Linear | nn.Conv2d) -> None:
    """The first inputs are the outputs; others, if there are more, do not count."""
    assert linear.bias is not None, "all that is handed on has a bias"
    nn.init.zeros_(linear.bias)
    linear.weight.copy_(torch.eye(*linear.weight.shape[:2]).view_as(linear.weight))
