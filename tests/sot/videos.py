"""A small video for trackers, and how they follow boxes through it."""

from __future__ import annotations

import cv2
import numpy as np

from vovtrack.sot.box_tracker import BoxTracker
from vovtrack.structures import Target, Tracks

BOXES = [[40, 30, 70, 60], [90, 50, 130, 76]]


def moving_noise() -> list[np.ndarray]:
    """Five frames of 160x120."""
    random = np.random.default_rng(0)
    whole = cv2.GaussianBlur(random.integers(0, 255, (140, 220, 3), dtype=np.uint8), (0, 0), 2)
    return [np.ascontiguousarray(whole[t : t + 120, 2 * t : 2 * t + 160]) for t in range(5)]


def follow(tracker: BoxTracker, video: list[np.ndarray], boxes: list) -> list[Tracks]:
    """The tracks of all frames, of boxes (x1, y1, x2, y2) in the first."""
    tracker.start(video[0], Target(boxes=boxes))
    return [tracker.step(frame) for frame in video]
