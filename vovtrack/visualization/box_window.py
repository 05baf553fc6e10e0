"""A window in which a box is drawn with the mouse."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from vovtrack.errors import InputError

_SAY = "say where the object is, for example --box 320,180,80,60"


def check_display() -> None:
    """Check that there is a display.

    Where there is none, OpenCV's windows end the process, without an error that can be caught.

    Raises:
        InputError: There is none.
    """
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not named:
        raise InputError(
            "--box draw opens a window, and here is no display (neither DISPLAY nor "
            f"WAYLAND_DISPLAY is set): {_SAY}, or run it where there is one (ssh -X)."
        )


def select_box(title: str, frame: np.ndarray) -> tuple[int, int, int, int]:
    """Let the user draw a box.

    Args:
        title: Of the window.
        frame: (H, W, 3) uint8 RGB.

    Returns:
        Left, top, width and height in pixels of the frame.

    Raises:
        InputError: No box was drawn, or OpenCV cannot open a window.
    """
    try:
        x, y, width, height = cv2.selectROI(title, np.ascontiguousarray(frame[..., ::-1]))
        cv2.destroyWindow(title)
    except cv2.error as error:
        raise InputError(
            f"OpenCV cannot open a window ({error.err}): {_SAY}, or install opencv-python in "
            "place of opencv-python-headless."
        ) from None
    if not (width and height):
        raise InputError(f"No box was drawn: drag the mouse and press Enter, or {_SAY}.")
    return x, y, width, height
