"""Labels of boxes: short enough for the frame, and where they hide least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
REFERENCE_SIDE = 720
"""Short side in pixels at which lines are 2 pixels wide and letters about 10 pixels high."""
SMALLEST_SCALE = 0.3
"""Of letters that can still be read, about 7 pixels high."""
UNREADABLE = 4.0
"""What a pixel of a label under another label costs, by one of an object under a label."""
WIDEST = 1 / 3
"""Width of a label by the width of the frame."""


@dataclass(frozen=True)
class LabelStyle:
    """How labels of a frame are written.

    Attributes:
        scale: Size of the letters, as OpenCV counts it.
        weight: Width of their strokes in pixels.
        pad: Pixels between the letters and the end of their background.
        max_width: Most pixels that a label should take.
    """

    scale: float
    weight: int
    pad: int
    max_width: float

    @classmethod
    def of_frame(cls, height: int, width: int) -> LabelStyle:
        """The style of a frame with so many pixels."""
        unit = min(height, width) / REFERENCE_SIDE
        return cls(
            scale=max(SMALLEST_SCALE, 0.45 * unit),
            weight=max(1, round(1.2 * unit)),
            pad=1 + round(2 * unit),
            max_width=WIDEST * width,
        )

    def size(self, text: str) -> tuple[int, int]:
        """Width and height of a label in pixels, background included."""
        width, height, below = _text_size(text, self.scale, self.weight)
        return width + 2 * self.pad, height + below + 2 * self.pad

    def text(self, name: str, track_id: int | None = None, score: float | None = None) -> str:
        """Class, identity and score as far as they fit: without score, then with a short name."""
        identity = "" if track_id is None else f" #{track_id}"
        shown = "" if score is None else f" {score:.2f}"
        if self.size(name + identity + shown)[0] <= self.max_width:
            return name + identity + shown
        room = self.max_width - _text_size(identity, self.scale, self.weight)[0]
        return _short_name(name, self, room) + identity


@lru_cache(maxsize=4096)
def _text_size(text: str, scale: float, weight: int) -> tuple[int, int, int]:
    (width, height), below = cv2.getTextSize(text, FONT, scale, weight)
    return width, height, below


@lru_cache(maxsize=4096)
def _short_name(name: str, style: LabelStyle, room: float) -> str:
    """A name with its words cut to fewer letters, then cut itself, until it fits ``room``."""

    def fits(text: str) -> bool:
        return style.size(text)[0] <= room

    words = name.split()
    longest = max(map(len, words), default=0)
    return (
        _first(lambda n: " ".join(_cut(word, n) for word in words), longest, 2, fits)
        or _first(lambda n: _cut(name, n), len(name), 1, fits)
        or name[:1]
    )


def _first(
    make: Callable[[int], str], most: int, least: int, fits: Callable[[str], bool]
) -> str | None:
    texts = (make(letters) for letters in range(most, least - 1, -1))
    return next(filter(fits, texts), None)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters + 1 else text[:letters].rstrip() + "."


def place_labels(
    bboxes: np.ndarray,
    sizes: np.ndarray,
    frame_size: tuple[int, int],
    before: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose for each box a place of its label beside it, one box after the other.

    A place is above, below, right or left of the box and inside the frame. Of the eight, the one
    is taken that overlaps least with boxes and with the labels placed before; what lies on another
    label counts :data:`UNREADABLE` times.

    Args:
        bboxes: (n, 4) xyxy, pixels of the frame; the first are served first.
        sizes: (n, 2) width and height of the labels, pixels.
        frame_size: Width and height of the frame.
        before: (n,) places of the frame before, kept where no other is better; -1 for none.

    Returns:
        (n, 4) int labels, xyxy, and (n,) their places, from 0.
    """
    count = len(bboxes)
    places = _places(bboxes, sizes, frame_size)
    hidden = _overlaps(places, bboxes[None, None]).sum(-1)
    # Among equals: the place of the frame before, then the order of the places.
    ranks = np.tile(np.arange(1.0, 1 + places.shape[1]), (count, 1))
    if before is not None:
        known = np.flatnonzero(before >= 0)
        ranks[known, before[known]] = 0
    hidden += 1e-3 * ranks
    labels = np.zeros((count, 4))
    chosen = np.zeros(count, dtype=np.int64)
    for i in range(count):
        cost = hidden[i] + UNREADABLE * _overlaps(places[i], labels[None, :i]).sum(-1)
        chosen[i] = cost.argmin()
        labels[i] = places[i, chosen[i]]
    return labels.astype(np.int64), chosen


def _places(bboxes: np.ndarray, sizes: np.ndarray, frame_size: tuple[int, int]) -> np.ndarray:
    """(n, 8, 4) whole-pixel xyxy: above, below, right and left of each box, from both its ends."""
    x1, y1, x2, y2 = np.round(bboxes.astype(np.float64)).T
    width, height = np.asarray(sizes, dtype=np.float64).reshape(-1, 2).T
    lefts = [x1, x2 - width, x1, x2 - width, x2 + 1, x2 + 1, x1 - width - 1, x1 - width - 1]
    below, above = y2 + 1, y1 - height - 1
    tops = [above, above, below, below, y1, y2 - height, y1, y2 - height]
    left = np.clip(np.stack(lefts, 1), 0, np.maximum(frame_size[0] - width, 0)[:, None])
    top = np.clip(np.stack(tops, 1), 0, np.maximum(frame_size[1] - height, 0)[:, None])
    return np.stack([left, top, left + width[:, None], top + height[:, None]], -1)


def _overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Areas that rectangles (..., 4) share with (..., m, 4), xyxy: (..., m)."""
    low = np.maximum(one[..., None, :2], other[..., :2])
    high = np.minimum(one[..., None, 2:], other[..., 2:])
    return (high - low).clip(0).prod(-1)


def write_label(
    canvas: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: tuple[int, int, int],
    style: LabelStyle,
) -> None:
    """Write text on a filled background whose left upper corner is given, in pixels."""
    left, top = corner
    width, height = style.size(text)
    end = (left + width - 1, top + height - 1)
    cv2.rectangle(canvas, (left, top), end, color, cv2.FILLED)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    origin = (left + style.pad, top + style.pad + _text_size(text, style.scale, style.weight)[1])
    cv2.putText(canvas, text, origin, FONT, style.scale, ink, style.weight, cv2.LINE_AA)
