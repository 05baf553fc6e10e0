"""Drawing points that are followed, with their trails; hidden ones in another way."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.structures.points import PlacedPoints
from vovtrack.visualization.labels import REFERENCE_SIDE
from vovtrack.visualization.palette import track_color

HIDDEN_COLOR = (160, 160, 160)
"""Of the cross that marks a hidden point, inside a ring in the colour of the point."""
RIM_COLOR = (0, 0, 0)
"""Around the disc of a visible point."""
_SHIFT = 4
"""Bits of a pixel's fraction in OpenCV's coordinates."""


class PointPainter:
    """Draws a disc for each visible point, a ring with a cross for each hidden one, and trails.

    A trail has a gap where the point was hidden.

    Args:
        length: Frames that a trail reaches back.
    """

    def __init__(self, length: int = 15) -> None:
        self._past: deque[PlacedPoints] = deque(maxlen=length)

    def draw(self, frame: NDArray[np.uint8], placed: PlacedPoints) -> NDArray[np.uint8]:
        """Draw the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB; it is not changed.
            placed: Its points.

        Returns:
            A new frame.
        """
        self._past.append(placed)
        canvas = frame.copy()
        radius = max(3, round(5 * min(frame.shape[:2]) / REFERENCE_SIDE))
        self._draw_trails(canvas, max(1, radius // 2))
        for i in np.flatnonzero(placed.followed).tolist():
            center = _place(placed.points[i])
            color = track_color(i)
            if placed.visible[i]:
                rim = (radius + 1) << _SHIFT
                cv2.circle(canvas, center, rim, RIM_COLOR, -1, cv2.LINE_AA, _SHIFT)
                cv2.circle(canvas, center, radius << _SHIFT, color, -1, cv2.LINE_AA, _SHIFT)
                continue
            cv2.circle(canvas, center, (radius + 1) << _SHIFT, color, 1, cv2.LINE_AA, _SHIFT)
            arm = radius << _SHIFT
            for sign in (1, -1):
                ends = [(center[0] - s * arm, center[1] - s * sign * arm) for s in (1, -1)]
                cv2.line(canvas, ends[0], ends[1], HIDDEN_COLOR, 1, cv2.LINE_AA, _SHIFT)
        return canvas

    def _draw_trails(self, canvas: NDArray[np.uint8], thickness: int) -> None:
        past = list(self._past)
        for before, after in zip(past[:-1], past[1:], strict=True):
            for i in np.flatnonzero(before.visible & after.visible).tolist():
                ends = _place(before.points[i]), _place(after.points[i])
                cv2.line(canvas, *ends, track_color(i), thickness, cv2.LINE_AA, _SHIFT)


def _place(point: NDArray[np.float32]) -> tuple[int, int]:
    """In OpenCV's coordinates, whose whole numbers are the middles of pixels.

    They are 16 bits and some; what lies far outside is drawn nowhere in any case.
    """
    x, y = np.clip(np.nan_to_num(point) - 0.5, -1000, 32000) * (1 << _SHIFT)
    return round(float(x)), round(float(y))
