"""A transformer that makes a target's filter from frames in which the target is known."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from vovtrack.registry import MODELS
from vovtrack.sot.models.features import point_layers

EPS = 1e-6
"""Added to the number of cells that places are divided by."""


def position_encoding(shape: tuple[int, int], channels: int, resolution: int) -> Tensor:
    """Sines and cosines of places.

    Frequencies grow linearly, and the highest one tells cells of a map of ``resolution`` apart, so
    that smaller maps are not encoded in frequencies they cannot show.

    Args:
        shape: (H, W) of the map.
        channels: C, a multiple of 4.
        resolution: Cells of a side of the largest map.

    Returns:
        (C, H, W): sines of column and row in turns, from the lowest frequency to the highest, then
        cosines.
    """
    count = channels // 4
    frequency = torch.arange(1, count + 1) * (math.pi * resolution / count)
    rows, columns = (
        frequency[:, None] * (torch.arange(side) + 0.5) / (side + EPS) for side in shape
    )
    both = torch.stack(
        [columns[:, None].expand(-1, *shape), rows[..., None].expand(-1, *shape)], dim=1
    ).flatten(0, 1)
    return torch.cat([both.sin(), both.cos()])


class _Layer(nn.Module):
    """What layers of both kinds have: attention among their own tokens, and a network of each.

    ``nn.TransformerEncoderLayer`` and its sister have these parameters, but read values from where
    places were added, too; here only queries and keys know places (DETR, arXiv:2005.12872).
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = self._attention(channels, heads, dropout)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    @staticmethod
    def _attention(channels: int, heads: int, dropout: float) -> nn.MultiheadAttention:
        return nn.MultiheadAttention(channels, heads, dropout, batch_first=True)

    def _feed_forward(self, tokens: Tensor) -> Tensor:
        hidden = self.dropout(self.linear1(tokens).relu())
        return self.dropout(self.linear2(hidden))


class EncoderLayer(_Layer):
    """Tokens change by what all others tell them; see :class:`DecoderLayer` for arguments."""

    def forward(self, tokens: Tensor, places: Tensor, unseen: Tensor | None) -> Tensor:
        """(B, N, C); of ``places`` (N, C), and tokens ``unseen`` (B, N) tell nothing."""
        query = tokens + places
        told, _ = self.self_attn(query, query, tokens, unseen, need_weights=False)
        tokens = self.norm1(tokens + self.dropout(told))
        return self.norm2(tokens + self._feed_forward(tokens))


class DecoderLayer(_Layer):
    """Queries change by what they find in a memory.

    Args:
        channels: Of tokens.
        heads: Of the attention.
        hidden: Channels of the network of each token.
        dropout: In training.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__(channels, heads, hidden, dropout)
        self.norm3 = nn.LayerNorm(channels)
        self.multihead_attn = self._attention(channels, heads, dropout)

    def forward(
        self, found: Tensor, query: Tensor, memory: Tensor, places: Tensor, unseen: Tensor | None
    ) -> Tensor:
        """Improve what was found.

        Args:
            found: (B, M, C).
            query: (M, C) what is looked for.
            memory: (B, N, C).
            places: (N, C) of the memory's tokens.
            unseen: (B, N) tokens that tell nothing.

        Returns:
            (B, M, C).
        """
        asked = found + query
        told, _ = self.self_attn(asked, asked, found, need_weights=False)
        found = self.norm1(found + self.dropout(told))
        told, _ = self.multihead_attn(
            found + query, memory + places, memory, unseen, need_weights=False
        )
        found = self.norm2(found + self.dropout(told))
        return self.norm3(found + self._feed_forward(found))


class Prediction(NamedTuple):
    """What is to be applied to what.

    Attributes:
        weights: (sequences, C), a filter of one cell.
        feat: (images, sequences, C, H, W), features of the test frames that know the target.
    """

    weights: Tensor
    feat: Tensor


@MODELS.register_module()
class TargetTransformer(BaseModule):
    """ToMP's model predictor (Mayer et al., CVPR 2022, arXiv:2203.11192, section 3.3).

    Cells of training frames carry a token where the target is, and how far its sides are; with the
    cells of test frames they pass through an encoder, of which a decoder asks for the target.

    Args:
        channels: Of features.
        heads: Of the attention.
        hidden: Channels of the network of each token.
        layers: Of the encoder, and of the decoder.
        box_channels: Of the layers that distances to sides pass through.
        resolution: See :func:`position_encoding`.
        dropout: In training.
    """

    def __init__(
        self,
        channels: int = 256,
        heads: int = 8,
        hidden: int = 2048,
        layers: int = 6,
        box_channels: tuple[int, ...] = (64, 256),
        resolution: int = 18,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        sizes = (channels, heads, hidden, dropout)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(channels)
        self.box_encoding = point_layers((4, *box_channels, channels))
        self.target_token = nn.Parameter(torch.randn(1, channels))

    def forward(
        self,
        train_feat: Tensor,
        test_feat: Tensor,
        label: Tensor,
        sides: Tensor,
        unseen: Tensor | None = None,
    ) -> Prediction:
        """Make a filter for each sequence.

        Args:
            train_feat: (images, sequences, C, H, W) of frames in which the target is known.
            test_feat: (test images, sequences, C, H, W).
            label: (images, sequences, H, W) Gaussian of the target.
            sides: (images, sequences, 4, H, W), see :func:`vovtrack.sot.labels.side_distances`.
            unseen: (images, sequences) training frames that a sequence does without.
        """
        told = self.target_token[0, :, None, None] * label[:, :, None]
        boxes = self.box_encoding(sides.flatten(0, 1).flatten(2))
        train = train_feat + told + boxes.view_as(train_feat)
        frames = torch.cat([train, test_feat])  # (F, S, C, H, W)
        shape = (frames.shape[-2], frames.shape[-1])
        tokens = frames.permute(1, 0, 3, 4, 2).flatten(1, 3)
        place = position_encoding(shape, frames.shape[2], self.resolution).to(tokens)
        places = place.flatten(1).T.repeat(len(frames), 1)
        hidden = None if unseen is None else self._hidden_tokens(unseen, frames)
        for layer in self.encoder:
            tokens = layer(tokens, places, hidden)
        found = torch.zeros_like(tokens[:, :1])
        for layer in self.decoder:
            found = layer(found, self.target_token, tokens, places, hidden)
        feat = tokens.unflatten(1, (len(frames), *shape)).permute(1, 0, 4, 2, 3)
        return Prediction(self.decoder_norm(found)[:, 0], feat[len(train) :])

    @staticmethod
    def _hidden_tokens(unseen: Tensor, frames: Tensor) -> Tensor:
        """Tokens (sequences, N) of training frames that a sequence does without."""
        all_frames = unseen.new_zeros(frames.shape[:2])
        all_frames[: len(unseen)] = unseen
        return all_frames.T.repeat_interleave(frames.shape[-2] * frames.shape[-1], dim=1)
