"""Ways to follow points that learn nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.benchmarks.point_learning.videos import Found, Video
from vovtrack.trackers.lucas_kanade import LucasKanade

TEMPLATE = 15
"""Side of the template, pixels."""
LIKE = 0.7
"""Correlation above which a point counts as visible."""


def static(video: Video) -> Found:
    """Points stay where they were asked for, and visible."""
    start = video.points[:, :1]
    return Found(np.broadcast_to(start, video.points.shape), np.ones_like(video.visible))


def chained_lucas_kanade(video: Video) -> Found:
    """Points go from frame to frame with the pixels around them."""
    greys = _greys(video)
    flow, points = LucasKanade(), video.points[:, 0].astype(np.float32)
    tracks, visible = [points], [np.ones(len(points), bool)]
    for before, after in zip(greys, greys[1:], strict=False):
        points, seen = flow.step(before, after, points)
        tracks.append(points)
        visible.append(seen)
    return Found(np.stack(tracks, axis=1), np.stack(visible, axis=1))


def correlation(video: Video) -> Found:
    """Points are where the patch of their first frame fits best (normalised correlation)."""
    margin = TEMPLATE // 2
    padded = [cv2.copyMakeBorder(grey, *4 * [margin], cv2.BORDER_REFLECT) for grey in _greys(video)]
    points, visible = np.array(video.points), np.ones_like(video.visible)
    for row, (start, *_) in enumerate(video.points):
        corner = start.astype(int).clip(0, np.array(video.size) - 1)
        left, top = corner
        template = padded[0][top : top + TEMPLATE, left : left + TEMPLATE]
        for frame, image in enumerate(padded[1:], start=1):
            fit = cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED)
            _, best, _, place = cv2.minMaxLoc(fit)
            points[row, frame] = place + start - corner
            visible[row, frame] = best > LIKE
    return Found(points, visible)


def _greys(video: Video) -> list[NDArray[np.uint8]]:
    return [np.asarray(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), np.uint8) for f in video.frames]
