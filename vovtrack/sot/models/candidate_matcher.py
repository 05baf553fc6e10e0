"""The network that tells which of two frames' candidates are the same thing.

Candidates of a frame are (B, N): all places whose scores could be the target's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from numpy.typing import NDArray
from torch import Tensor, nn

from vovtrack.registry import MODELS
from vovtrack.sot.models.features import point_layers
from vovtrack.sot.models.optimal_transport import log_sinkhorn

SPREAD = 0.7
"""Coordinates of key points are shares of so much of an image's longer side."""


Size = Tensor | tuple[float, float]


class Candidates(NamedTuple):
    """What a frame's candidates are told by.

    Attributes:
        descriptors: (B, C, N).
        points: (B, N, 2) rows and columns in image pixels.
        scores: (B, N).
    """

    descriptors: Tensor
    points: Tensor
    scores: Tensor


class Matches(NamedTuple):
    """Which candidates are the same, for those of a first and of a second frame.

    Attributes:
        partner: (B, N) index of it in the other frame, -1 for none.
        probability: (B, N) that they are the same; 0 if they do not choose each other.
    """

    partner: NDArray[np.int64]
    probability: NDArray[np.float32]


def normalize_points(points: Tensor, size: Size) -> Tensor:
    """Coordinates about the centre of an image.

    Args:
        points: (..., N, 2) rows and columns.
        size: (height, width) of the image, or (..., 2) of each. The released KeepTrack gives
            (width, height) when it tracks, and centres rows by half the width.
    """
    sides = torch.as_tensor(size).to(points)[..., None, :]
    return (points - sides / 2) / (SPREAD * sides.amax(dim=-1, keepdim=True))


class Attention(nn.Module):
    """Attention of several heads; channel c belongs to head c mod heads.

    Args:
        channels: Of the input and of the output.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.proj = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(3))
        self.merge = nn.Conv1d(channels, channels, 1)

    def forward(self, query: Tensor, source: Tensor) -> Tensor:
        """What queries (B, C, N) are told by sources (B, C, M): (B, C, N)."""
        q, k, v = (
            proj(x).unflatten(1, (-1, self.heads)).permute(0, 2, 3, 1)
            for proj, x in zip(self.proj, (query, source, source), strict=True)
        )
        message = F.scaled_dot_product_attention(q, k, v)
        return self.merge(message.permute(0, 3, 1, 2).flatten(1, 2))


class GraphLayer(nn.Module):
    """Candidates change by what others tell them.

    Args:
        channels: Of descriptors.
        heads: Of the attention.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(channels, heads)
        self.mlp = point_layers((2 * channels, 2 * channels, channels))

    def forward(self, query: Tensor, source: Tensor) -> Tensor:
        """(B, C, N) told by (B, C, M)."""
        return query + self.mlp(torch.cat([query, self.attn(query, source)], dim=1))


@MODELS.register_module()
class CandidateMatcher(BaseModule):
    """Match candidates by what they look like, where they are, and what is around them.

    KeepTrack (Mayer et al., ICCV 2021, arXiv:2103.16556, section 3.4): places and scores are added
    to descriptors; layers of attention within a frame and across both take turns; similarities
    become assignments by :func:`log_sinkhorn`.

    Args:
        channels: Of descriptors.
        encoder_channels: Of the layers that places and scores pass through.
        rounds: Pairs of a layer within frames and one across them.
        heads: Of the attention.
        iterations: Of Sinkhorn's algorithm.
        least_probability: Of a match.
    """

    def __init__(
        self,
        channels: int = 256,
        encoder_channels: Sequence[int] = (32, 64, 128, 256),
        rounds: int = 2,
        heads: int = 4,
        iterations: int = 10,
        least_probability: float = 0.2,
    ) -> None:
        super().__init__()
        self.iterations, self.least_probability = iterations, least_probability
        self.keypoint_encoder = point_layers((3, *encoder_channels, channels))
        self.layers = nn.ModuleList(GraphLayer(channels, heads) for _ in range(2 * rounds))
        self.final_proj = nn.Conv1d(channels, channels, 1)
        self.bin_score = nn.Parameter(torch.tensor(1.0))

    def encode(self, candidates: Candidates, size: Size) -> Tensor:
        """What is added to descriptors (B, C, N), see :func:`normalize_points`."""
        points = normalize_points(candidates.points, size)
        told = torch.cat([points, candidates.scores[..., None]], dim=-1)
        return self.keypoint_encoder(told.transpose(1, 2))

    def attend(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors (B, C, M) and (B, C, N) that know of each other, of the same shapes."""
        for number, layer in enumerate(self.layers):
            across = number % 2 == 1
            sources = (second, first) if across else (first, second)
            first, second = layer(first, sources[0]), layer(second, sources[1])
        return first, second

    def forward(self, first: Candidates, second: Candidates, size: Size) -> Tensor:
        """Which candidates are the same.

        Args:
            first: M candidates of a frame.
            second: N candidates of a later frame.
            size: See :func:`normalize_points`.

        Returns:
            Logarithms of probabilities (B, M + 1, N + 1); the last row and column say that a
            candidate is in one frame only.
        """
        a, b = self.attend(
            first.descriptors + self.encode(first, size),
            second.descriptors + self.encode(second, size),
        )
        a, b = self.final_proj(a), self.final_proj(b)
        similarity = a.transpose(1, 2) @ b / a.shape[1] ** 0.5
        return log_sinkhorn(similarity, self.bin_score, self.iterations)

    def match(self, log_assignment: Tensor) -> tuple[Matches, Matches]:
        """The pairs that choose each other, for the first frame and for the second.

        They are brought to the CPU, where identities are kept, and where so little is faster.

        Args:
            log_assignment: What :meth:`forward` gives, of at least one candidate in either frame.
        """
        inner = log_assignment.detach()[:, :-1, :-1].cpu().numpy()
        forth, back = inner.argmax(axis=2), inner.argmax(axis=1)
        order = np.arange(inner.shape[1])
        frame, one = np.nonzero(np.take_along_axis(back, forth, axis=1) == order)
        other = forth[frame, one]
        probability = np.exp(inner[frame, one, other])
        likely = probability > self.least_probability
        found = []
        for chosen, choosing, shape in ((other, one, forth.shape), (one, other, back.shape)):
            matches = Matches(np.full(shape, -1), np.zeros(shape, np.float32))
            matches.partner[frame, choosing] = np.where(likely, chosen, -1)
            matches.probability[frame, choosing] = probability
            found.append(matches)
        return found[0], found[1]
