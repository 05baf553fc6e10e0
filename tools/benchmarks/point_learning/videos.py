"""Videos to test on, and what counts: all points, and those that come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.evaluation.scores.points import RASTER, count_points, scores
from vovtrack.formats.tapvid_videos import open_videos

METRICS = ("delta_avg", "OA", "AJ", "back_8")
"""``back_8``: of the frames in which a point is visible again after it was hidden for
``HIDDEN_FRAMES`` or more in a row, how many have it within ``BACK_RADIUS``."""
HIDDEN_FRAMES, BACK_RADIUS = 2, 8.0


@dataclass(frozen=True)
class Video:
    """A video and the points that are visible in its first frame, where all are asked for.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        points: (N, T, 2) ``(x, y)`` in pixels.
        visible: (N, T) bool.
    """

    frames: NDArray[np.uint8]
    points: NDArray[np.float64]
    visible: NDArray[np.bool_]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.frames.shape[2], self.frames.shape[1]


@dataclass(frozen=True)
class Found:
    """Where a rival says that the points of a video are.

    Attributes:
        points: (N, T, 2) ``(x, y)`` in pixels.
        visible: (N, T) bool.
    """

    points: NDArray[np.floating]
    visible: NDArray[np.bool_]


Rival = Callable[[Video], Found]


def read_videos(path: Path) -> list[Video]:
    """The videos of a pickle in TAP-Vid's form."""
    videos = []
    for video in open_videos(path):
        frames, truth = np.stack(list(video.frames())), video.truth()
        asked = ~truth.occluded[:, 0]
        points = truth.points[asked] * (frames.shape[2], frames.shape[1])
        videos.append(Video(frames, points, ~truth.occluded[asked]))
    return videos


def rate(videos: Iterable[Video], rival: Rival) -> dict[str, float]:
    """Scores of a rival in percent: TAP-Vid's, means over videos, and ``back_8`` over all points.

    Distances are pixels of TAP-Vid's raster of 256 x 256.
    """
    rows, near, again = [], 0, 0
    for video in videos:
        found = rival(video)
        scale = RASTER / np.array(video.size)
        queries = np.column_stack([np.zeros(len(video.points)), video.points[:, 0, ::-1]])
        truth, tracks = video.points * scale, found.points * scale
        counts = count_points(queries, ~video.visible, truth, ~found.visible, tracks, mode="first")
        values = scores({name: count.sum(axis=0) for name, count in counts.items()})
        rows.append([values[name] for name in METRICS[:3]])
        back = come_back(video.visible)
        near += int((np.linalg.norm(tracks - truth, axis=-1) < BACK_RADIUS)[back].sum())
        again += int(back.sum())
    means = 100 * np.nanmean(rows, axis=0)
    back_8 = 100 * near / again if again else float("nan")
    return dict(zip(METRICS, [*means.tolist(), back_8], strict=True))


def come_back(visible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames (N, T) in which a point is visible after it was hidden long enough."""
    gone = np.zeros(len(visible), int)
    lost = np.zeros(len(visible), bool)
    again = np.zeros_like(visible)
    for frame, seen in enumerate(visible.T):
        gone = np.where(seen, 0, gone + 1)
        lost |= gone >= HIDDEN_FRAMES
        again[:, frame] = lost & seen
    return again
