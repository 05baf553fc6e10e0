"""Detections as the released program prepares them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clamp_boxes(box: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Boxes forced inside a frame, in whole pixels; each keeps at least one.

    Args:
        box: (N, 4) (left, top, width, height).
        width: Of the frame.
        height: Of the frame.
    """
    frame = np.array([width, height])
    corner = np.trunc(np.clip(box[:, :2], 0, frame - 2))
    size = box[:, 2:] - (corner - box[:, :2])
    return np.hstack([corner, np.trunc(np.clip(size, 1, frame - corner))])
