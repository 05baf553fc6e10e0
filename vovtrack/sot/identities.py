"""Who is who among the candidates of a video's frames, and which of them is the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vovtrack.sot.localization import Flag

WITHOUT_DOUBT = 0
"""Identity of a target for which nothing else was taken yet."""


@dataclass(frozen=True)
class IdentitySettings:
    """When candidates are believed to be who they seem to be.

    Attributes:
        probability: The target's partner is not believed below it.
        probability_of_low: The same for a partner of a low score.
        low: Lower scores are low.
        found: A lost target is found again in a candidate of a higher score.
        certain: The target is certain once it had a higher score.
    """

    probability: float = 0.6
    probability_of_low: float = 0.85
    low: float = 0.2
    found: float = 0.25
    certain: float = 0.75


@dataclass(frozen=True)
class Identities:
    """The candidates of one frame, in the order of their scores, and what is known of them.

    Identities as KeepTrack keeps them (Mayer et al., ICCV 2021, arXiv:2103.16556, section 3.6).

    Attributes:
        ids: (N,) whose candidates they are.
        best: (N,) highest score of each identity so far.
        lengths: (N,) frames of each identity so far.
        next_id: Of the next new identity.
        target: Identity that the target has, or had when it was lost.
        selected: Index of the target's candidate; None while it is lost.
        certain: The target is that which the tracker was started with, or had a high score since it
            was last lost.
    """

    ids: NDArray[np.int64]
    best: NDArray[np.float64]
    lengths: NDArray[np.int64]
    next_id: int
    target: int
    selected: int | None
    certain: bool

    @property
    def flag(self) -> Flag:
        """Whether the target is among the candidates."""
        return Flag.NOT_FOUND if self.selected is None else Flag.NORMAL

    @classmethod
    def begin(cls, scores: NDArray[np.float64], certain: bool) -> Identities:
        """The first candidates; that of the highest score is the target.

        Args:
            scores: (N,), N >= 1, highest first.
            certain: It is the target that the tracker was started with, whose identity is
                ``WITHOUT_DOUBT``; else identities begin after that.
        """
        ids = WITHOUT_DOUBT + np.arange(len(scores)) + (not certain)
        return cls(
            ids=ids,
            best=scores.copy(),
            lengths=np.ones(len(scores), np.int64),
            next_id=int(ids[-1]) + 1,
            target=int(ids[0]),
            selected=0,
            certain=certain,
        )

    def follow(
        self,
        scores: NDArray[np.float64],
        partners: NDArray[np.int64],
        probabilities: NDArray[np.floating],
        settings: IdentitySettings,
    ) -> Identities:
        """The candidates of the next frame.

        Args:
            scores: (N,), highest first; there may be none.
            partners: (N,) index of the same candidate in this frame, -1 for none.
            probabilities: (N,) that it is the same.
            settings: When to believe.
        """
        known = partners >= 0
        doubtful = probabilities < settings.probability
        doubtful |= (probabilities < settings.probability_of_low) & (scores < settings.low)
        known &= ~doubtful | (partners != self.selected)
        before, count = partners[known], int((~known).sum())
        ids, lengths = np.empty(len(scores), np.int64), np.ones(len(scores), np.int64)
        ids[known], ids[~known] = self.ids[before], self.next_id + np.arange(count)
        lengths[known] += self.lengths[before]
        best = scores.copy()
        best[known] = np.maximum(scores[known], self.best[before])
        selected, certain = self._select(ids, best, scores, settings)
        return Identities(
            ids=ids,
            best=best,
            lengths=lengths,
            next_id=self.next_id + count,
            target=self.target if selected is None else int(ids[selected]),
            selected=selected,
            certain=certain,
        )

    def _select(
        self,
        ids: NDArray[np.int64],
        best: NDArray[np.float64],
        scores: NDArray[np.float64],
        settings: IdentitySettings,
    ) -> tuple[int | None, bool]:
        """The target's candidate, and whether the target is certain."""
        here = np.flatnonzero(ids == self.target)
        if len(here):
            stronger = best[0] > best[here[0]]
            certain = self.certain or bool(best[here[0]] > settings.certain)
            return 0 if stronger else int(here[0]), certain
        if len(scores) and scores[0] > settings.found:
            return 0, False
        return None, False
