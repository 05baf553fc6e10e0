"""What is carried from frame to frame, and what is said of one frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class PointState:
    """The queries that are followed in B videos, and what they remember.

    Nothing of it grows with the number of frames. Slots are ordered from the oldest to the newest.

    Attributes:
        initial: (B, N, C) how the points looked where they were asked for.
        context: (B, N, Mc, C) what the queries were decoded to.
        spatial: (B, N, Ms, C) what the points looked like; Ms is 0 in a model without this memory.
        absent: (B, N, max(Mc, Ms)) slots of frames in which a query had not started.
        hidden: (B, N, max(Mc, Ms)) slots of frames in which a point was not seen.
        started: (B, N) queries that are under way. In training they all have their row from the
            first frame on; in use a query has one from its own frame on.
    """

    initial: Tensor
    context: Tensor
    spatial: Tensor
    absent: Tensor
    hidden: Tensor
    started: Tensor

    @classmethod
    def empty(cls, initial: Tensor, slots: tuple[int, int]) -> PointState:
        """Queries without a past, all started.

        Args:
            initial: (B, N, C).
            slots: Of the context and of the spatial memory.
        """
        batch, count, channels = initial.shape
        context, spatial = (initial.new_zeros(batch, count, m, channels) for m in slots)
        unused = torch.ones(batch, count, max(slots), dtype=torch.bool, device=initial.device)
        return cls(initial, context, spatial, unused, unused, unused.new_ones(batch, count))

    def __len__(self) -> int:
        return self.initial.shape[1]

    def add(self, initial: Tensor) -> None:
        """Follow further points from the next frame on, in rows after those that there are.

        Args:
            initial: (B, n, C) how they look.
        """
        slots = (self.context.shape[2], self.spatial.shape[2])
        new = PointState.empty(initial, slots)
        for field in fields(self):
            both = (getattr(self, field.name), getattr(new, field.name))
            setattr(self, field.name, torch.cat(both, dim=1))

    def keep(self, rows: Tensor) -> None:
        """Drop all queries but some.

        Args:
            rows: (N,) bool, or indices, of the queries to keep, in the order that they get.
        """
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[:, rows])

    def alone(self) -> Tensor:
        """(B, N) queries that others do not look at: those that have not started.

        A video in which none has started has none that matters, and all are looked at.
        """
        return ~self.started & self.started.any(dim=1, keepdim=True)

    def push(self, context: Tensor, seen: Tensor, spatial: Tensor | None = None) -> None:
        """Remember a frame, and forget the oldest.

        Args:
            context: (B, N, C) what the queries were decoded to.
            seen: (B, N) bool.
            spatial: (B, N, C) what the points look like; None in a model without this memory.
        """
        self.context = _shift(self.context, context)
        self.absent = _shift(self.absent, ~self.started)
        self.hidden = _shift(self.hidden, ~seen)
        if spatial is not None:
            self.spatial = _shift(self.spatial, spatial)


def _shift(slots: Tensor, newest: Tensor) -> Tensor:
    """Slots (B, N, M, ...) without the oldest, and with a newest (B, N, ...)."""
    return torch.cat([slots[:, :, 1:], newest[:, :, None]], dim=2)


@dataclass(frozen=True)
class Prediction:
    """What the network says of N queries in one frame of B videos; pixels are those of its input.

    Attributes:
        points: (B, N, 2) x and y.
        visible_logit: (B, N) that the point can be seen.
        uncertainty_logit: (B, N) that the point is hidden or far from its true place.
        patch: (B, N, 2) centre of the patch that was chosen.
        offsets: (L, B, N, 2) from the patch to the point, of every layer; the last one counts.
        top_points: (B, N, K, 2) centres of the patches that were looked at again.
        top_unc: (B, N, K) logits that they are wrong.
        c1: (B, N, P) logits over all patches before re-ranking; None if not asked for.
        c2: (B, N, P) the same after it.
        top_score: (B, N, K) logits that each is the nearest of them; None in a model that does not
            rank them.
    """

    points: Tensor
    visible_logit: Tensor
    uncertainty_logit: Tensor
    patch: Tensor
    offsets: Tensor
    top_points: Tensor
    top_unc: Tensor
    c1: Tensor | None = None
    c2: Tensor | None = None
    top_score: Tensor | None = None
