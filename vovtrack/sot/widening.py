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
        forgets: Whether those frames are counted anew once it was found; the published ToMP counts
            all of a video.
    """

    history: int = 60
    least: int = 2
    most: int = 30
    forgets: bool = True


class ScaleHistory:
    """Scales of search areas in which a target was found, and a larger one where it is lost.

    A target that turns away or is partly hidden looks small before it is lost, so that the mean of
    recent scales that were not smaller than the last one is tried.

    Args:
        settings: Which scales are averaged.

    Attributes:
        lost: Frames in which the target was lost.
    """

    def __init__(self, settings: WideningSettings) -> None:
        self.settings = settings
        self.lost = 0
        self._scales: deque[float] = deque(maxlen=settings.history)

    def next_scale(self, scale: float, found: bool) -> float | None:
        """The scale of the next search area.

        Args:
            scale: Of the search area that was just seen.
            found: Whether the target was found in it.

        Returns:
            None where its size is to say, because it was found, or never was.
        """
        if found:
            self.lost = 0 if self.settings.forgets else self.lost
            self._scales.append(scale)
            return None
        self.lost += 1
        if not self._scales:
            return None
        last, settings = self._scales[-1], self.settings
        larger = (scale for scale in reversed(self._scales) if scale >= last)
        count = min(max(self.lost, settings.least), settings.most)
        return float(np.mean(list(islice(larger, count))))
