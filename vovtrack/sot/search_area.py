"""The square around a target in which it is looked for, cut out of a frame and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Border = Literal["replicate", "inside", "inside_major"]
"""What becomes of an area that leaves the frame: it stays where it is; it is made smaller until it
fits into the frame, along both axes or along the one where more of it fits; and it is moved."""
Rounding = Literal["true_div", "floor"]
"""Whether half a side may be half a pixel (an even side is then cut one pixel wider, as the
original does on PyTorch from 1.6 on), or is rounded down (as before)."""
KEPT = 0.1
"""A frame is not thinned out before it is resized if that left fewer pixels by this share."""
LEAST = 2
"""Pixels of a side."""


@dataclass(frozen=True)
class Window:
    """A part of a frame of which only some rows and columns are taken.

    Attributes:
        start: (2,) row and column where it begins, in the thinned-out frame.
        end: (2,) where it ends.
        step: Of so many rows and columns of the frame one is taken.
        offset: (2,) the first that is taken.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    step: int
    offset: NDArray[np.int64]

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4,) (y1, x1, y2, x2) in pixels of the frame."""
        return self.step * np.concatenate([self.start, self.end])


def place_window(
    frame: tuple[int, int],
    position: NDArray[np.floating],
    side: NDArray[np.floating],
    output: NDArray[np.integer] | None,
    border: Border = "replicate",
    max_shrink: float | None = None,
    rounding: Rounding = "true_div",
) -> Window:
    """Where to cut.

    Args:
        frame: (H, W).
        position: (2,) row and column of the centre, which may lie outside.
        side: (2,) height and width of the area, in pixels.
        output: (2,) height and width that it is scaled to; None for none.
        border: What becomes of an area that leaves the frame.
        max_shrink: The most that ``inside`` and ``inside_major`` divide sides by.
        rounding: Of half a side.
    """
    size = np.array(frame)
    centre = np.trunc(position).astype(int)
    if border != "replicate":
        share = side / size
        shrink = max(1.0, float(share.max() if border == "inside" else share.min()))
        side = np.floor(side / (shrink if max_shrink is None else min(shrink, max_shrink)))
    step = 1 if output is None else max(int(np.min(side / output) - KEPT), 1)
    offset = centre % step
    centre, size = (centre - offset) // step, -(-(size - offset) // step)
    cut = np.maximum(np.rint(side / step), LEAST)
    before, after = (cut - 1) / 2, cut / 2
    if rounding == "floor":
        before, after = np.floor(before), np.floor(after)
    start, end = centre - before, centre + after + 1
    if border != "replicate":
        shift = np.maximum(-start, 0) + np.minimum(size - end, 0)
        start, end = start + shift, end + shift
        outside = (np.maximum(-start, 0) + np.maximum(end - size, 0)) // 2
        shift = np.where(outside > 0, -start - outside, 0)
        start, end = start + shift, end + shift
    return Window(start, end, step, offset)


def cut_window(image: Tensor, window: Window, output: tuple[int, int] | None) -> Tensor:
    """Cut and scale; half pixels are cut off, and the border of the frame is repeated outside.

    Args:
        image: (N, C, H, W) frames of any type.
        window: Where to cut.
        output: (H', W'); None to leave it as it is.

    Returns:
        (N, C, H', W') floating-point.
    """
    thin = image[..., window.offset[0] :: window.step, window.offset[1] :: window.step]
    rows, columns = (
        torch.arange(int(begin), int(end), device=image.device).clamp(0, length - 1)
        for begin, end, length in zip(window.start, window.end, thin.shape[-2:], strict=True)
    )
    patch = thin[..., rows[:, None], columns].float()
    if output is None or patch.shape[-2:] == output:
        return patch
    return F.interpolate(patch, output, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class SearchArea:
    """Where the pixels of a scaled search area lie in the frame.

    Attributes:
        centre: (2,) row and column in the frame.
        scale: Pixels of the frame for each of its own.
        side: Of the area in its own pixels.
    """

    centre: NDArray[np.float64]
    scale: float
    side: int

    @classmethod
    def of(cls, window: Window, side: int) -> SearchArea:
        """The area that a window is scaled to."""
        start, end = window.corners.reshape(2, 2)
        return cls((start + end - 1) / 2, float(np.sqrt((end - start).prod())) / side, side)

    @property
    def box(self) -> NDArray[np.float64]:
        """(4,) (x, y, w, h) in the frame, from the middle of its first pixel to its last one's."""
        reach = self.side * self.scale - 1
        return np.concatenate([(self.centre - reach / 2)[::-1], [reach, reach]])

    def box_of(
        self, position: NDArray[np.floating], size: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """The box (x, y, w, h) in the area of a centre (y, x) and size (h, w) in the frame."""
        middle = (position - self.centre) / self.scale + self.side / 2
        size = size / self.scale
        return np.concatenate([(middle - size / 2)[::-1], size[::-1]])

    def place_of(self, box: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centre (y, x) and size (h, w) in the frame of a box (x, y, w, h) in the area.

        Half a pixel of the area further than :meth:`box_of` has it, as in the original.
        """
        middle = (box[:2] + box[2:] / 2)[::-1] - (self.side - 1) / 2
        return middle * self.scale + self.centre, box[3:1:-1] * self.scale
