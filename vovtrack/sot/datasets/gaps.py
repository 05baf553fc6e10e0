"""Which frames of a video a target is learned in, and in which it is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDER = 5
"""Frames that a gap grows by where it holds no frame with the target."""
LEAST_FRAMES = 20
"""Shorter videos are not drawn from."""
Order = Literal["causal", "interval"]
"""Whether the target is looked for later than it is learned, or on both sides."""


@dataclass(frozen=True)
class FrameGaps:
    """Draws frames of a video that are at most so far apart (DiMP, arXiv:1904.07220, section 4.1).

    Attributes:
        train: Number of frames to learn in.
        test: Number of frames to find in.
        max_gap: Frames between the first one to learn in and any other, where the target is there.
        order: Causal frames to learn in are drawn before the first one, those to find in after it.
    """

    train: int
    test: int
    max_gap: int
    order: Order = "causal"

    def enough(self, length: int, shown: int) -> bool:
        """Whether a video of so many frames, that show the target so often, is drawn from."""
        return length >= LEAST_FRAMES and shown > 2 * (self.train + self.test)

    def draw(
        self, shown: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[list[int], list[int]]:
        """Positions of the frames to learn in, and of those to find in; a frame may come twice.

        Args:
            shown: (T,) frames that show the target, :meth:`enough` of them.
            rng: What is drawn from.
        """
        causal = self.order == "causal"
        first, last = (self.train - 1, len(shown) - self.test) if causal else (0, len(shown))
        gap = self.max_gap
        while True:
            (base,) = _draw(shown, first, last, 1, rng) or (None,)
            if base is not None:
                after = base if causal else base + gap
                others = _draw(shown, base - gap, after, self.train - 1, rng)
                if others is not None:
                    before = base + 1 if causal else base - gap
                    found = _draw(shown, before, base + gap, self.test, rng)
                    if found is not None:
                        return [base, *others], found
            gap += WIDER


def _draw(
    shown: NDArray[np.bool_], first: int, last: int, count: int, rng: np.random.Generator
) -> list[int] | None:
    """Some frames from ``first`` to before ``last`` with the target; None if there is none."""
    if count == 0:
        return []
    first = max(first, 0)
    places = first + np.flatnonzero(shown[first : max(last, 0)])
    if not len(places):
        return None
    return [int(places[int(rng.integers(len(places)))]) for _ in range(count)]
