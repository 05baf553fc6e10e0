"""Points followed by Lucas-Kanade: the baseline that shows what learned appearance is worth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_PIXEL_CENTRE = 0.5
"""OpenCV's pixel centres are whole numbers; ours lie half a pixel from the corner."""


class LucasKanade:
    """Follows points from each frame to the next (Lucas and Kanade, IJCAI 1981; in pyramids).

    A step is believed if the way back from its end leads to its start (Kalal et al., ICPR 2010).
    Nothing of a point's appearance is kept: one that was hidden is followed on from where it was
    lost, and may have changed to what hid it.

    Args:
        window: Side of the patch that is compared, in pixels.
        levels: Sizes of the image besides its own, each half of the one before.
        max_error: Distance in pixels between a point and the way there and back, up to which it
            is said to be visible.
    """

    def __init__(self, window: int = 21, levels: int = 3, max_error: float = 1.0) -> None:
        self._window, self._levels, self._max_error = window, levels, max_error

    def step(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Follow points from one frame to the next.

        Args:
            before: (H, W) uint8 grey frame.
            after: The next one.
            points: (n, 2) ``(x, y)`` in the first.

        Returns:
            (n, 2) points in the second and (n,) whether they are seen there.
        """
        if not len(points):
            return points, np.zeros(0, dtype=bool)
        start = np.ascontiguousarray(points - _PIXEL_CENTRE, dtype=np.float32)
        end, found = self._flow(before, after, start)
        back, kept = self._flow(after, before, end)
        error = np.linalg.norm(back - start, axis=1)
        sure = found & np.isfinite(end).all(axis=1)
        moved = np.where(sure[:, None], end, start) + np.float32(_PIXEL_CENTRE)
        height, width = after.shape
        inside = ((moved >= 0) & (moved < (width, height))).all(axis=1)
        return moved, sure & kept & (error <= self._max_error) & inside

    def _flow(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], start: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        size = (self._window, self._window)
        end, found, _ = cv2.calcOpticalFlowPyrLK(
            before, after, start, np.empty_like(start), winSize=size, maxLevel=self._levels
        )
        return np.asarray(end, dtype=np.float32), np.asarray(found)[:, 0] == 1
