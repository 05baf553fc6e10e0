"""In how large an area a lost target is looked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np


@dataclass(frozen=True)
class WideningSettings:
    """Which scales of the frames before are averaged (KeepTrack and ToMP do so).

    Attributes:
        history: So many of the last frames in which the target was found are remembered.
        least: At least so many of the larger scales.
        most: At most so many; between both it is as many as frames in which the target is lost.
    """

    history: int = 60
    least: int = 2
    most: int = 30


class ScaleHistory:
    """Scales of search areas in which a target was found, and a larger one where it is lost.

    A target that turns away or is partly hidden looks small before it is lost, so that the mean of
    recent scales that were larger is tried.

    Args:
        settings: Which scales are averaged.

    Attributes:
        lost: Frames since the target was last found.
    """

    def __init__(self, settings: WideningSettings) -> None:
        self.settings = settings
        self.lost = 0
        self._scales: deque[float] = deque(maxlen=settings.history)

    def found(self, scale: float) -> None:
        """The target was found, and has a scale."""
        self.lost = 0
        self._scales.append(scale)

    def widen(self) -> float:
        """The target is lost in one more frame: the scale at which it is looked for next."""
        self.lost += 1
        last, settings = self._scales[-1], self.settings
        larger = (scale for scale in reversed(self._scales) if scale > last)
        count = min(max(self.lost, settings.least), settings.most)
        chosen = list(islice(larger, count))
        return float(np.mean(chosen)) if chosen else last
