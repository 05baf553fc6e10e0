"""Boxes to follow, as users say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from vovtrack.errors import InputError
from vovtrack.structures import Target
from vovtrack.visualization.box_window import check_display, select_box

DrawBoxes = Callable[[np.ndarray], Target]
"""Boxes for the first frame, (H, W, 3) uint8 RGB."""
_DRAW = re.compile(r"(?P<object>(\d+=)?)draw")
_FORM = re.compile(r"(?:(?P<id>\d+)=)?(?P<box>[^=@]+)(?:@(?P<frame>\d+))?")


def parse_boxes(words: Sequence[str]) -> Target:
    """Read boxes from words.

    Args:
        words: ``320,180,80,60`` for left, top, width and height in pixels of the first frame,
            ``320,180,80,60@120`` in those of frame 120 (from 0), ``2=320,180,80,60@120`` for a box
            of object 2. Boxes without an object get the lowest numbers that are left, in order.

    Raises:
        InputError: Words that are not boxes, or boxes without extent.
    """
    said = [_parse(word) for word in words]
    taken = {number for number, _, _ in said}
    free = (number for number in count() if number not in taken)
    corners = [(x, y, x + w, y + h) for _, (x, y, w, h), _ in said]
    for word, (_, (_, _, w, h), _) in zip(words, said, strict=True):
        if w <= 0 or h <= 0:
            raise InputError(f"--box is '{word}': its width and height must be above 0.")
    return Target(
        boxes=np.array(corners),
        box_frames=np.array([frame for _, _, frame in said]),
        box_ids=np.array([next(free) if number is None else number for number, _, _ in said]),
    )


def boxes_to_draw(words: Sequence[str]) -> DrawBoxes | None:
    """What lets the user draw boxes in the first frame, one for each word ``draw`` or ``2=draw``.

    Args:
        words: Those words, and boxes as :func:`parse_boxes` reads them.

    Returns:
        None if nothing is to be drawn.

    Raises:
        InputError: There is no display.
    """
    if not any(_DRAW.fullmatch(word.strip()) for word in words):
        return None
    check_display()

    def said(word: str, number: int, frame: np.ndarray) -> str:
        asked = _DRAW.fullmatch(word.strip())
        if asked is None:
            return word
        title = f"Object {number} of {len(words)}: draw its box, then press Enter"
        return asked["object"] + ",".join(map(str, select_box(title, frame)))

    return lambda frame: parse_boxes(
        [said(word, number, frame) for number, word in enumerate(words, 1)]
    )


def _parse(word: str) -> tuple[int | None, tuple[float, ...], int]:
    """The object, box and frame of a word."""
    found = _FORM.fullmatch(word.strip())
    try:
        numbers = tuple(map(float, found["box"].split(","))) if found else ()
    except ValueError:
        numbers = ()
    if found is None or len(numbers) != 4 or not np.isfinite(numbers).all():
        raise InputError(
            f"--box is '{word}', expected numbers x,y,w,h, perhaps with a frame (x,y,w,h@120) and "
            "an object (2=x,y,w,h@120); or draw, to draw it with the mouse in the first frame."
        )
    return None if found["id"] is None else int(found["id"]), numbers, int(found["frame"] or 0)
