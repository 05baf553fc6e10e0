"""Overlap of convex regions that need not be upright: the rotated boxes of VOT."""

from __future__ import annotations

import numpy as np

from vovtrack.formats.polygons import corners


def region_overlap(
    first: np.ndarray, second: np.ndarray, size: tuple[int, int] | None = None
) -> np.ndarray:
    """IoU of convex quadrilaterals row by row, by exact areas.

    The toolkit of VOT counts pixels instead, so that its overlaps of small targets differ a little.

    Args:
        first: (T, 4) boxes ``(x, y, w, h)`` or (T, 8) corners in turn, either way around.
        second: The same.
        size: (width, height) of the image in pixels: what lies outside of it does not count.

    Returns:
        (T,) IoU; 0 where both are empty.
    """
    a, b = _turned(corners(first)), _turned(corners(second))
    both = _clipped(a, b)
    if size is not None:
        image = corners(np.array([[0.0, 0.0, *size]]))
        a, b, both = (_clipped(polygons, image) for polygons in (a, b, both))
    one, other = _areas(a), _areas(b)
    # A region that is a point has no sides to cut with.
    inter = np.minimum(_areas(both), np.minimum(one, other))
    union = one + other - inter
    return np.divide(inter, union, out=np.zeros(len(inter)), where=union > 0)


def _signed_areas(polygons: np.ndarray) -> np.ndarray:
    """(T, K, 2) to (T,), by the shoelace formula about the first corner."""
    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    following = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    return (x * following[1] - y * following[0]).sum(axis=1) / 2


def _areas(polygons: np.ndarray) -> np.ndarray:
    return np.maximum(_signed_areas(polygons), 0)


def _turned(polygons: np.ndarray) -> np.ndarray:
    """The same polygons, all with a positive signed area."""
    return np.where((_signed_areas(polygons) < 0)[:, None, None], polygons[:, ::-1], polygons)


def _clipped(polygons: np.ndarray, convex: np.ndarray) -> np.ndarray:
    """The part of ``polygons`` inside ``convex``: (T, K, 2), (T or 1, 4, 2) to (T, 16 K, 2).

    Sutherland and Hodgman 1974, with one change that keeps the number of corners fixed: an edge
    that lies outside a side is laid onto the line of that side instead of being dropped. Walks
    along that line and back enclose nothing, so the area is that of the part inside.
    """
    for k in range(convex.shape[1]):
        start = convex[:, k]
        along = np.roll(convex, -1, axis=1)[:, k] - start
        length = np.linalg.norm(along, axis=1, keepdims=True)
        # A side without length cuts nothing off.
        inward = np.divide(
            np.stack([-along[:, 1], along[:, 0]], axis=1),
            length,
            out=np.zeros_like(along),
            where=length > 0,
        )
        polygons = _cut(polygons, start[:, None], inward[:, None])
    return polygons


def _cut(polygons: np.ndarray, place: np.ndarray, inward: np.ndarray) -> np.ndarray:
    """Cut at the line through ``place``, of which ``inward`` is the unit normal: K to 2 K."""
    following = np.roll(polygons, -1, axis=1)
    depth = ((polygons - place) * inward).sum(axis=-1, keepdims=True)
    next_depth = np.roll(depth, -1, axis=1)
    crosses = (depth < 0) != (next_depth < 0)
    share = np.divide(depth, depth - next_depth, out=np.zeros_like(depth), where=crosses)
    crossing = polygons + share * (following - polygons)
    laid, next_laid = polygons - depth * inward, following - next_depth * inward
    begin = np.where(depth >= 0, polygons, np.where(crosses, crossing, laid))
    end = np.where(next_depth >= 0, following, np.where(crosses, crossing, next_laid))
    return np.stack([begin, end], axis=2).reshape(len(begin), 2 * polygons.shape[1], 2)
