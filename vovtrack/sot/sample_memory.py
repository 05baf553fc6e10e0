"""Which samples of a target are kept, and how much each counts."""

from __future__ import annotations

import torch
from torch import Tensor


class SampleMemory:
    """Weights of samples that fade as new ones come.

    The last sample counts most. A full memory drops what counts least, but never an initial
    sample; these keep a share of all weight (DiMP, arXiv:1904.07220, section 4.4).

    Args:
        size: Samples that are held.
        initial: Of these, initial samples; they come first.
        floor: Share of all weight that initial samples keep.
        device: Where weights are held.

    Attributes:
        weights: (size,), sum to 1; 0 of slots that are free.
        certainties: (size,) of samples; 1 of initial ones.
        count: Samples that were inserted, initial ones included.
    """

    def __init__(
        self, size: int, initial: int, floor: float, device: torch.device | str = "cpu"
    ) -> None:
        self.size, self.initial, self.floor = size, initial, floor
        self.weights = torch.zeros(size, device=device)
        self.weights[:initial] = 1 / initial
        self.certainties = torch.zeros(size, device=device)
        self.certainties[:initial] = 1
        self.count = initial
        self._last: int | None = None

    def insert(self, rate: float, certainty: float | None = None) -> int:
        """Make room for a sample.

        Args:
            rate: Weight of the sample, before weights are made to sum to 1.
            certainty: That it shows the target, if samples that are less certain are to be dropped
                first, as KeepTrack does (arXiv:2103.16556); then a sample that takes the place of
                the last one takes its weight as well.

        Returns:
            The slot to put it into.
        """
        slot = self._slot(by_certainty=certainty is not None)
        weights = self.weights
        if self._last is None:
            weights /= 1 - rate
            weights[slot] = rate
        elif certainty is None or slot != self._last:
            weights[slot] = weights[self._last] / (1 - rate)
        weights /= weights.sum()
        initial, later = weights[: self.initial], weights[self.initial :]
        if initial.sum() < self.floor:
            later /= later.sum() / (1 - self.floor)
            initial.fill_(self.floor / self.initial)
        self.certainties[slot] = 1 if certainty is None else certainty
        self._last = slot
        self.count += 1
        return slot

    def _slot(self, by_certainty: bool) -> int:
        if self.count < self.size:
            return self.count
        least = self.weights * self.certainties if by_certainty else self.weights
        return self.initial + int(least[self.initial :].argmin())

    def filled(self) -> Tensor:
        """Weights (n,) of the slots that hold a sample."""
        return self.weights[: min(self.count, self.size)]

    def trusted(self, least: float) -> Tensor:
        """The same, each times its certainty; what is less certain counts for nothing from now on.

        Args:
            least: Certainties below it become 0, and stay so until their samples are replaced.
        """
        self.certainties[self.certainties < least] = 0
        weights = self.filled()
        return weights * self.certainties[: len(weights)]
