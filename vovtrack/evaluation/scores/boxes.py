"""Boxes of a whole dataset in columns: what every tracking metric starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BoxTable:
    """Ground-truth or predicted boxes, one row each.

    Order matters: metrics keep the given order inside a frame.

    Attributes:
        videos: (N,) int64 video ids.
        times: (N,) int64 position of the frame, increasing with time inside a video.
        tracks: (N,) int64 track ids, unique inside a video.
        categories: (N,) int64 category ids.
        bboxes: (N, 4) float64 ``(x, y, w, h)`` in pixels.
        scores: (N,) float64; ones for ground truth.
    """

    videos: np.ndarray
    times: np.ndarray
    tracks: np.ndarray
    categories: np.ndarray
    bboxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.videos)

    def select(self, rows: np.ndarray | slice) -> BoxTable:
        """Return only the given rows (indices, a mask or a slice)."""
        return BoxTable(**{name: column[rows] for name, column in vars(self).items()})

    def sorted(self) -> BoxTable:
        """Return the rows ordered by video and time, stable."""
        return self.select(np.lexsort((self.times, self.videos)))

    def video(self, video: int) -> BoxTable:
        """Return the rows of one video of a sorted table."""
        return self.select(slice(*np.searchsorted(self.videos, [video, video + 1])))


def dense(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number ids 0..n-1 by value and count them.

    Returns:
        (N,) dense ids and (n,) counts.
    """
    _, numbers, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return numbers.ravel(), counts
