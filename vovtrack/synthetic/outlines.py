"""Outlines of the shapes of the vocabulary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import one_of

Outline = NDArray[np.floating]


def shape_outline(shape: str) -> Outline:
    """Return the closed outline of a shape, (K, 2) float64 inside [-1, 1]^2, y pointing down.

    Raises:
        InputError: The shape is not in the vocabulary.
    """
    return _OUTLINES[one_of("shape", shape, _OUTLINES)].copy()


def outline_area(outline: Outline) -> float:
    """Area of a closed polygon, (K, 2), by the shoelace formula."""
    x, y = outline.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _polar(degrees: Outline, radius: float | Outline) -> Outline:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1)


def _star() -> Outline:
    corner = np.arange(10)
    return _polar(-90.0 + 36 * corner, np.where(corner % 2, 0.46, 1.0))


def _cross() -> Outline:
    arm = 0.34
    quarter = np.array([(arm, -1), (arm, -arm), (1, -arm)])
    turn = np.array([[0, 1], [-1, 0]])
    corners = [quarter @ np.linalg.matrix_power(turn, k) for k in range(4)]
    return np.concatenate(corners) * 0.98


def _heart() -> Outline:
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x / 16.5, (y - 2.5) / 15.5], axis=1)


def _crescent() -> Outline:
    """A disc without another: radius 0.8, its centre 0.5 to the right."""
    outer = _polar(np.linspace(52.41, 307.59, 48), 1.0)
    inner = _polar(np.linspace(277.9, 82.1, 40), 0.8) + (0.5, 0.0)
    return np.concatenate([outer, inner]) + (0.2, 0.0)


_OUTLINES: dict[str, Outline] = {
    "circle": _polar(np.linspace(0, 360, 64, endpoint=False), 1.0),
    "square": 0.88 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float),
    "triangle": _polar(-90.0 + 120 * np.arange(3), 1.0) * (1.1, 1.15) + (0, 0.15),
    "star": _star(),
    "cross": _cross(),
    "heart": _heart(),
    "crescent": _crescent(),
}
