"""Self-supervision of embeddings: whoever walks through a clip must come back to the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vovtrack.errors import InputError, one_of
from vovtrack.registry import MODELS


@MODELS.register_module()
class CycleConsistencyLoss(BaseModule):
    r"""Soft assignments from frame to frame and back must be the identity.

    For the cosines A (p, q) between the objects of two frames, ``M = s(A) s(A^T)`` walks from the
    first frame to the second and back, where s is a softmax over the rows with the factor
    ``ln(n delta / (1 - delta)) / eps`` for n columns. Every diagonal entry of M shall exceed every
    other entry of its row and of its column by a margin; the hinges are averaged over the 2p of
    them. The term ``pair`` is the mean over all pairs of frames; ``triple`` is the mean over all
    pairs and all third frames k, with the product of the cosines i to k and k to j for A. This is
    the cycle consistency of VOVTrack (Qian et al., 2024, self-supervised association) with the
    adaptive temperature of its equations.

    All walks of a clip are one batch of matrix products. An empty frame is defined: see ``start``.

    Args:
        margin: Least lead of the diagonal.
        delta: Share of the weight that the softmax shall give to a perfect match.
        eps: Difference of cosines at which it shall do so.
        terms: Which of ``"pair"`` and ``"triple"`` to add up.
        start: The frame of a pair where walks start. ``"larger"``, the released behaviour: that
            with more objects, of which some can never come back, and a pair with one empty frame
            costs the constant ``margin``. ``"smaller"``: that with fewer objects, and a walk from,
            to or through an empty frame costs nothing, because there is nobody to walk. In both,
            a walk between two empty frames costs nothing. Equally large: the earlier frame.
        loss_weight: Factor of the loss.

    Raises:
        InputError: If a term or a start has another name.
    """

    def __init__(
        self,
        margin: float = 0.5,
        delta: float = 0.5,
        eps: float = 0.1,
        terms: Sequence[str] = ("pair", "triple"),
        start: Literal["larger", "smaller"] = "larger",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not terms or set(terms) - {"pair", "triple"}:
            raise InputError(f"terms must be of 'pair' and 'triple', got {terms!r}")
        one_of("start", start, ("larger", "smaller"))
        self.margin = margin
        self.delta = delta
        self.eps = eps
        self.terms = tuple(terms)
        self.start = start
        self.loss_weight = loss_weight

    def forward(self, embeds: Sequence[Tensor]) -> Tensor:
        """Compute the loss of one clip.

        Args:
            embeds: T tensors (n_t, D), the embeddings of the objects of each frame, in any scale.

        Returns:
            Scalar, in float32 at least; 0 (with a graph) for fewer than two frames with objects
            to compare, and for the triples of a clip of two frames.
        """
        if len(embeds) == 0:
            raise InputError("a clip needs at least one frame, got an empty list of embeddings")
        # In order of size every pair (i, j) with i < j starts at i; equals keep their order.
        embeds = sorted(embeds, key=len, reverse=self.start == "larger")
        sizes = torch.tensor([len(e) for e in embeds])
        if not sizes.any():
            return torch.cat(embeds).sum()
        sizes = sizes.to(embeds[0].device, non_blocking=True)
        with torch.autocast(embeds[0].device.type, enabled=False):
            frames = pad_sequence(embeds, batch_first=True)
            frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
            return self.loss_weight * self._total(F.normalize(frames, dim=2), sizes)

    def _total(self, frames: Tensor, sizes: Tensor) -> Tensor:
        """Sum of the terms: (T, N, D) unit rows padded with zeros, (T,) numbers of objects."""
        num_frames, width, _ = frames.shape
        flat = frames.flatten(0, 1)
        cosines = (flat @ flat.T).view(num_frames, width, num_frames, width)
        cosines = cosines.transpose(1, 2).flatten(0, 1)  # (T * T, N, N)
        i, j = torch.triu_indices(num_frames, num_frames, 1, device=frames.device)
        total = frames.new_zeros(())
        if "pair" in self.terms:
            similarity = cosines.index_select(0, i * num_frames + j)
            total = total + self._mean_of_walks(similarity, sizes[i], sizes[j])
        if "triple" in self.terms:
            i, j, k = _via_third(i, j, num_frames)
            similarity = torch.bmm(
                cosines.index_select(0, i * num_frames + k),
                cosines.index_select(0, k * num_frames + j),
            )
            total = total + self._mean_of_walks(similarity, sizes[i], sizes[j], sizes[k])
        return total

    def _mean_of_walks(
        self, similarity: Tensor, starts: Tensor, ends: Tensor, via: Tensor | None = None
    ) -> Tensor:
        """Mean cost of B walks: (B, N, N) similarities, (B,) numbers of objects on the way."""
        index = torch.arange(similarity.shape[1], device=similarity.device)
        rows, columns = index < starts[:, None], index < ends[:, None]  # (B, N), False is padding
        there = self._assign(similarity, columns[:, None], ends, dim=2)
        back = self._assign(similarity, rows[:, :, None], starts, dim=1).mT
        returns = there @ back
        own = returns.diagonal(dim1=1, dim2=2)
        # Shares are never negative, so that zeros on the diagonal and in the padding are neutral.
        others = returns * (rows[:, :, None] & (index[:, None] != index)).to(returns.dtype)
        best_of_row, best_of_column = others.max(dim=2).values, others.max(dim=1).values
        hinges = (best_of_row + self.margin - own).relu() + (
            best_of_column + self.margin - own
        ).relu()
        costs = (hinges * rows).sum(dim=1) / (2 * starts).clamp(min=1)
        if self.start == "larger":
            costs = torch.where(ends > 0, costs, self.margin * (starts > 0))
        elif via is not None:
            costs = costs * (via > 0)
        return costs.sum() / max(len(costs), 1)

    def _assign(self, similarity: Tensor, valid: Tensor, counts: Tensor, dim: int) -> Tensor:
        """Softmax of (B, N, N) similarities over a dimension of ``counts`` (B,) valid entries."""
        odds = self.delta / (1 - self.delta) * counts.clamp(min=1)
        scale = (odds.log() / self.eps).to(similarity.dtype)[:, None, None]
        # A finite value: a row without any valid entry stays free of NaN.
        excluded = (~valid).to(similarity.dtype) * torch.finfo(similarity.dtype).min
        return torch.addcmul(excluded, similarity, scale).softmax(dim=dim)


def _via_third(i: Tensor, j: Tensor, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Each pair (i, j), i < j, of (P,) once with every other frame k, (P * (T - 2),) each."""
    k = torch.arange(max(num_frames - 2, 0), device=i.device).expand(len(i), -1)
    k = k + (k >= i[:, None])
    k = k + (k >= j[:, None])
    return i[:, None].expand_as(k).flatten(), j[:, None].expand_as(k).flatten(), k.flatten()
