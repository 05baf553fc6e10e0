"""The square that is cut out of a frame to train on.

Unlike a tracker's search area (:mod:`vovtrack.sot.search_area`) it lies on whole pixels, is always
moved into the frame, and is scaled in 8 bits by OpenCV.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError

Border = Literal["pad", "replicate", "inside", "inside_major"]
"""What becomes of a square that leaves the frame. ``pad``, which is ATOM's, leaves it where it is,
and puts the middle of the box on that of the pixels whatever was rounded. The others move it;
``inside`` first makes it smaller until it fits into the frame along both axes, and
``inside_major`` along the one where more of it fits."""


class Square(NamedTuple):
    """A part of a frame in whole pixels.

    Attributes:
        start: (2,) x and y where it begins, negative left of the frame.
        side: Its width and height.
        origin: (2,) x and y of the frame from where boxes count in it.
    """

    start: NDArray[np.int64]
    side: int
    origin: NDArray[np.number[Any]]


def place_square(
    frame: tuple[int, int],
    box: NDArray[np.float32],
    area: float,
    output: int,
    border: Border,
    max_shrink: float | None = None,
) -> Square:
    """Where to cut.

    Args:
        frame: (H, W).
        box: (4,) (x, y, w, h) that is in the middle.
        area: Side of the square as a multiple of the root of the box's area.
        output: Side that it is scaled to.
        border: What becomes of a square that leaves the frame.
        max_shrink: The most that ``inside`` and ``inside_major`` divide the side by.

    Raises:
        InputError: The box has no area.
    """
    size = np.array(frame[::-1])
    share = np.prod(box[2:]) / np.float32(output**2)
    if not share > 0:
        raise InputError(f"A target of {box[2]:g} x {box[3]:g} pixels has no area to look at.")
    side = int(np.ceil(np.float32(output) * np.sqrt(share) * np.float32(area)))
    if border in ("inside", "inside_major"):
        ratios = side / size
        shrink = max(1.0, float(ratios.max() if border == "inside" else ratios.min()))
        side = int(side / (shrink if max_shrink is None else min(shrink, max_shrink)))
    centre = box[:2] + box[2:] / 2
    start = np.rint(centre - np.float32(side / 2)).astype(np.int64)
    if border == "pad":
        return Square(start, side, centre - np.float32((output - 1) / 2 * side / output))
    start = start + np.maximum(-start, 0) + np.minimum(size - start - side, 0)
    half = (side - size) // 2
    start = np.where(half > 0, -half, start)
    return Square(start, side, start)


def cut_square(image: NDArray[np.uint8], square: Square, output: int) -> NDArray[np.uint8]:
    """Cut a square and scale it, see :func:`cut_part`."""
    return cut_part(image, square.start, (square.side, square.side), output)


def cut_part(
    image: NDArray[np.uint8], start: NDArray[np.int64], size: tuple[int, int], output: int
) -> NDArray[np.uint8]:
    """Cut a rectangle, and scale it to a square.

    Beyond the frame its border is repeated. A part that reaches the right or lower border
    repeats the column or row before the last one instead of it, as the original does.

    Args:
        image: (H, W, 3).
        start: (2,) x and y where it begins, negative left of the frame.
        size: Its width and height.
        output: Side of the result.

    Returns:
        (output, output, 3).
    """
    columns, rows = (
        (begin + np.arange(side)).clip(0, max(length - 2, 0))
        for begin, side, length in zip(start.tolist(), size, image.shape[1::-1], strict=True)
    )
    patch = image[rows[:, None], columns]
    return cv2.resize(patch, (output, output), interpolation=cv2.INTER_LINEAR)


def boxes_in_square(boxes: NDArray[np.float32], square: Square, output: int) -> NDArray[np.float32]:
    """Boxes (..., 4) as (x, y, w, h) of the frame, in pixels of what is cut."""
    moved = boxes - np.concatenate([square.origin, [0, 0]])
    scaled: NDArray[np.float32] = (moved * (output / square.side)).astype(np.float32)
    return scaled
