"""Points that are followed through one video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MODES = ("first", "strided")
"""How TAP-Vid chooses what is asked of a tracker (Doersch et al., NeurIPS 2022)."""
STRIDE = 5
"""Frames between the queries of mode "strided"."""


@dataclass(frozen=True)
class PointTruth:
    """Ground truth of one video.

    Attributes:
        points: (N, T, 2) float64 ``(x, y)`` from 0 to 1.
        occluded: (N, T) bool.
    """

    points: NDArray[np.float64]
    occluded: NDArray[np.bool_]


@dataclass(frozen=True)
class PointTracks:
    """Predictions for the queries of one video.

    Attributes:
        tracks: (n, T, 2) float64 ``(x, y)`` in pixels.
        occluded: (n, T) bool.
        size: (width, height) of the raster, or None for the default one.
    """

    tracks: NDArray[np.float64]
    occluded: NDArray[np.bool_]
    size: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class PointQueries:
    """Points to follow in one video.

    Attributes:
        queries: (N, 3) float32 ``(frame, x, y)``: the frame, from 0, from which a point is
            followed, and its place there in pixels.
        names: What each is called; several may have one name.
    """

    queries: NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class PlacedPoints:
    """The points of one frame, one row for each query.

    Attributes:
        points: (N, 2) float32 ``(x, y)`` in pixels.
        visible: (N,) bool.
        scores: (N,) float32 how surely each is visible.
        followed: (N,) bool, False before the frame of the query.
    """

    points: NDArray[np.float32]
    visible: NDArray[np.bool_]
    scores: NDArray[np.float32]
    followed: NDArray[np.bool_]


def sample_queries(
    tracks: NDArray[np.floating], occluded: NDArray[np.bool_], mode: str
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Choose the queries of a video as TAP-Vid does.

    Args:
        tracks: (N, T, 2) points ``(x, y)``.
        occluded: (N, T) bool.
        mode: ``first``: the first visible frame of each point that is ever visible; ``strided``:
            every 5th frame, all points visible there.

    Returns:
        (n, 3) queries ``(t, y, x)`` and (n,) the point each belongs to.
    """
    visible = ~occluded
    if mode == "first":
        points = np.flatnonzero(visible.any(axis=1))
        times = visible[points].argmax(axis=1)
    else:
        frames, points = np.nonzero(visible[:, ::STRIDE].T)
        times = frames * STRIDE
    return np.column_stack([times, tracks[points, times][:, ::-1]]), points
