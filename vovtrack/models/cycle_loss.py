"""Cycle consistency of objects over the frames of a clip, without labels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.registry import MODELS

TERMS = ("pair", "triple")


@MODELS.register_module()
class CycleConsistencyLoss(nn.Module):
    """Going from one frame to another and back must lead every object to itself.

    Soft assignments between the objects of two frames are softmaxes whose temperature follows the
    number of candidates; their product, there and back, should be the identity by a margin
    (VOVTrack, Qian et al., ICCV 2025, association by cycle consistency; after Wang et al., "CycAs",
    ECCV 2020). ``pair`` goes there and back between two frames, ``triple`` through a third one.
    All pairs and triples of a clip are evaluated in batched products.

    Args:
        margin: By which an object must be more likely than any other.
        delta: Softmax mass that the best of n equal candidates may lose.
        eps: Difference of cosines at which it does; with ``delta`` it sets the temperature.
        terms: ``pair``, ``triple`` or both; each is a mean over its cycles.
        start: Which frame of a cycle starts it. ``larger`` is the released choice: objects that
            the other frame lacks can never return, and against an empty frame the loss is the
            constant ``margin``. ``smaller`` asks only what can be answered.
        loss_weight: Factor of the loss.

    Raises:
        InputError: Unknown terms or start.
    """

    def __init__(
        self,
        margin: float = 0.5,
        delta: float = 0.5,
        eps: float = 0.1,
        terms: Sequence[str] = TERMS,
        start: Literal["larger", "smaller"] = "larger",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not terms or set(terms) - set(TERMS) or start not in ("larger", "smaller"):
            raise InputError(
                f"terms={tuple(terms)}, start={start!r}: expected some of {TERMS}, and 'larger' or "
                "'smaller'."
            )
        self.margin = margin
        self.delta, self.eps = delta, eps
        self.terms = tuple(terms)
        self.start = start
        self.loss_weight = loss_weight

    def forward(self, embeds: Sequence[Tensor]) -> Tensor:
        """Compute the loss of one clip.

        Args:
            embeds: T tensors (n_t, D), the objects of each frame; lengths are free, even 0.

        Returns:
            Scalar; 0 (with a graph) where no cycle can be made.
        """
        counts = torch.tensor([len(rows) for rows in embeds], device=embeds[0].device)
        objects = F.normalize(_pad(embeds), dim=2)
        cosines = torch.einsum("ind,jmd->ijnm", objects, objects)
        total = objects.sum() * 0.0
        if "pair" in self.terms:
            first, second = _index(itertools.combinations(range(len(embeds)), 2), counts, 2)
            total = total + self._mean(cosines[first, second], counts[first], counts[second])
        if "triple" in self.terms and len(embeds) > 2:
            cycles = (
                (i, j, k)
                for i, j in itertools.combinations(range(len(embeds)), 2)
                for k in range(len(embeds))
                if k not in (i, j)
            )
            first, second, middle = _index(cycles, counts, 3)
            through = cosines[first, middle] @ cosines[middle, second]
            total = total + self._mean(through, counts[first], counts[second])
        return self.loss_weight * total

    def _mean(self, similarity: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Mean round-trip loss of C cycles (C, N, N) with ``rows`` and ``columns`` objects."""
        turn = rows < columns if self.start == "larger" else rows > columns
        similarity = torch.where(turn[:, None, None], similarity.transpose(1, 2), similarity)
        rows, columns = torch.where(turn, columns, rows), torch.where(turn, rows, columns)
        losses = self._round_trip(similarity, rows, columns)
        # From a larger frame to an empty one is a cycle without answer, between empty ones none.
        counted = rows > 0
        return (losses * counted).sum() / counted.sum().clamp(min=1)

    def _round_trip(self, similarity: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        place = torch.arange(similarity.shape[1], device=similarity.device)
        row_mask, column_mask = place < rows[:, None], place < columns[:, None]
        there = self._assign(similarity, columns, column_mask)
        back = self._assign(similarity.transpose(1, 2), rows, row_mask)
        inside = row_mask[:, :, None] & row_mask[:, None, :]
        returned = (there * row_mask[:, :, None]) @ (back * column_mask[:, :, None])
        home = returned.diagonal(dim1=1, dim2=2)
        others = returned - torch.diag_embed(home)
        others = torch.where(inside, others, 0.0)
        excess = (others.amax(dim=2) + self.margin - home).clamp(min=0)
        excess = excess + (others.amax(dim=1) + self.margin - home).clamp(min=0)
        return (excess * row_mask).sum(dim=1) / (2 * rows.clamp(min=1))

    def _assign(self, similarity: Tensor, candidates: Tensor, mask: Tensor) -> Tensor:
        """Softmax over the valid columns; rows without any are 0."""
        odds = self.delta / (1 - self.delta)
        scale = (odds * candidates.clamp(min=1)).log() / self.eps
        logits = similarity * scale[:, None, None]
        valid = mask[:, None, :]
        weights = torch.softmax(logits.masked_fill(~valid, torch.finfo(logits.dtype).min), dim=2)
        return weights * valid


def _pad(embeds: Sequence[Tensor]) -> Tensor:
    """(T, N, D) with zeros behind the objects of each frame; N is at least 1."""
    padded = torch.nn.utils.rnn.pad_sequence([rows.float() for rows in embeds], batch_first=True)
    return padded if padded.shape[1] else F.pad(padded, (0, 0, 0, 1))


def _index(cycles, counts: Tensor, width: int) -> Tensor:
    """(width, C) frame numbers."""
    listed = torch.tensor(list(cycles), dtype=torch.long, device=counts.device)
    return listed.view(-1, width).T
