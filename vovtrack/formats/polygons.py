"""Annotations that are four corners: the rotated boxes of VOT until 2019."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CORNERS = 8
"""Numbers of a polygon: x and y of its corners, in turn."""


def enclosing_rectangle(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upright rectangle around polygons: (..., 8), or (..., 4) as it is, to (..., 4) xywh."""
    if numbers.shape[-1] != CORNERS:
        return numbers
    points = corners(numbers)
    low = points.min(axis=-2)
    return np.concatenate([low, points.max(axis=-2) - low], axis=-1)


def equal_area_rectangle(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """An upright rectangle with the centre of a polygon and, but for a pixel, its area.

    The enclosing rectangle is shrunk about the mean of the corners until its area is the product of
    the first two sides; then, as in the toolkit of VOT, both sizes grow by 1.

    Args:
        numbers: (..., 8) corners, or (..., 4) boxes, which stay as they are.

    Returns:
        (..., 4) ``x, y, w, h``.
    """
    if numbers.shape[-1] != CORNERS:
        return numbers
    points = corners(numbers)
    sides = np.linalg.norm(np.diff(points[..., :3, :], axis=-2), axis=-1)
    size = np.ptp(points, axis=-2)
    whole = size.prod(axis=-1)
    scale = np.sqrt(
        np.divide(sides.prod(axis=-1), whole, out=np.zeros_like(whole), where=whole > 0)
    )
    size = size * scale[..., None] + 1
    return np.concatenate([points.mean(axis=-2) - size / 2, size], axis=-1)


def corners(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners in turn of polygons, (..., 8), or of boxes, (..., 4) xywh: (..., 4, 2)."""
    if numbers.shape[-1] == CORNERS:
        return numbers.reshape(*numbers.shape[:-1], 4, 2)
    x, y, width, height = np.moveaxis(numbers, -1, 0)
    right, bottom = x + width, y + height
    flat = np.stack([x, y, right, y, right, bottom, x, bottom], axis=-1)
    return flat.reshape(*flat.shape[:-1], 4, 2)
