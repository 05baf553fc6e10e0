"""The part of a picture that a detection shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cut(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The pixels of a box; where it leaves the picture, the mean of its rows and columns.

    Args:
        image: (H, W, 3).
        box: (left, top, width, height), which overlaps the picture.
    """
    frame = np.array(image.shape[1::-1])
    low, high = box[:2], box[:2] + box[2:]
    start, stop = (np.clip(x, 0, None).astype(int) for x in (low, high))
    before, after = (np.clip(x, 0, None).astype(int) for x in (-low, high - frame))
    inside = image[start[1] : stop[1], start[0] : stop[0]]
    (left, top), (right, bottom) = before, after
    return np.pad(inside, ((top, bottom), (left, right), (0, 0)), mode="mean")
