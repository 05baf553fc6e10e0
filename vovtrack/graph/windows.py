"""Which frames of a long video are looked at together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

Window = tuple[int, int]
"""First and last frame with detections."""
MIN_FRAMES = 2
"""With detections, of a window."""


def training_windows(frames: ArrayLike, length: int, distance: int) -> list[Window]:
    """Overlapping windows to learn from, none of which is another's end.

    Args:
        frames: Numbers of the frames with detections.
        length: Frames of a window.
        distance: Least number of frames between two beginnings.
    """
    present = np.unique(np.asarray(frames, dtype=np.int64))
    windows: list[Window] = []
    ends: set[int] = set()
    for start in present.tolist():
        if windows and start < windows[-1][0] + distance:
            continue
        inside = present[(present >= start) & (present < start + length)]
        if len(inside) >= MIN_FRAMES and int(inside[-1]) not in ends:
            ends.add(int(inside[-1]))
            windows.append((start, int(inside[-1])))
    return windows


def evaluation_windows(frames: ArrayLike, length: int, overlap: float = 0.5) -> list[Window]:
    """Windows that overlap, to be stitched together; they hold all frames.

    The next one begins at the frame before which a share of those with detections lies; halves of
    frames are rounded to even numbers. A frame far from all others is a window of its own, where
    the released program stops.

    Args:
        frames: Numbers of the frames with detections.
        length: Frames of a window.
        overlap: Share of the frames with detections of a window that the next one has, too.
    """
    present = np.unique(np.asarray(frames, dtype=np.int64))
    windows: list[Window] = []
    position, covered = 0, 0
    while covered < len(present):
        end = int(np.searchsorted(present, present[position] + length))
        if end == covered:  # nothing new: the next window shares no frame with those before
            position = covered
            continue
        windows.append((int(present[position]), int(present[end - 1])))
        shared = round(overlap * (end - position))
        covered, position = end, max(end - shared, position + 1)
    return windows
