"""Pictures as the bytes of a file."""

from __future__ import annotations

import cv2
import numpy as np


def encode_image(image: np.ndarray, suffix: str, quality: int = 95) -> bytes:
    """Pack a picture, for :func:`vovtrack.files.atomic.atomic_write` or ``create``.

    Args:
        image: (H, W, 3) uint8 RGB.
        suffix: ``.png`` or ``.jpg``.
        quality: Of JPEG, 1 to 100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, image[..., ::-1], options)[1].tobytes()
