"""Points that are followed through one video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
