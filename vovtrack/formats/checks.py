"""Whether values of an untrusted file are what they should be."""

from __future__ import annotations

import math
import sys
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray


def is_id(value: Any) -> bool:
    """Whether ``value`` is a whole number of 64 bits."""
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_box(box: Any) -> TypeGuard[list[float]]:
    """Whether ``box`` is ``(x, y, w, h)`` of non-negative size with finite corners and area."""
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        return False
    x, y, w, h = map(float, box)
    return w >= 0 and h >= 0 and all(map(math.isfinite, (x + w, y + h, w * h)))


def are_boxes(bboxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """:func:`is_box` of each row of numbers: (N, 4) float64 to (N,) bool."""
    with np.errstate(over="ignore", invalid="ignore"):
        x, y, w, h = bboxes.T
        finite = np.isfinite(x + w) & np.isfinite(y + h) & np.isfinite(w * h)
    sound: NDArray[np.bool_] = (w >= 0) & (h >= 0) & finite
    return sound
