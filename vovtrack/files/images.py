"""Pictures as the bytes of a file; few of them may unfold to gigabytes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
"""Names of picture files end so, in lower or upper case."""
MAX_PIXELS = 100_000_000
"""Pixels of one picture or video frame: three times 8K video."""


def encode_image(image: NDArray[np.uint8], suffix: str, quality: int = 95) -> bytes:
    """Pack a picture, for :func:`vovtrack.files.atomic.create`.

    Args:
        image: (H, W, 3) uint8 RGB.
        suffix: ``.png`` or ``.jpg``.
        quality: Of JPEG, 1 to 100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in (".jpg", ".jpeg") else []
    return cv2.imencode(suffix, image[..., ::-1], options)[1].tobytes()


def write_image(path: str | Path, image: NDArray[np.uint8], quality: int = 95) -> None:
    """Write a picture, complete or not at all; its suffix chooses the format.

    Args:
        path: ``.png`` or ``.jpg`` file.
        image: (H, W, 3) uint8 RGB.
        quality: Of JPEG, 1 to 100.

    Raises:
        WriteError: It cannot be written.
    """
    with atomic_write(path, "wb") as file:
        file.write(encode_image(image, Path(path).suffix.lower(), quality))


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read a picture file.

    Args:
        path: The file.
        max_pixels: Refuse larger pictures before they are decoded.

    Returns:
        (H, W, 3) uint8 pixels, blue first as OpenCV has them, upright.

    Raises:
        InputError: It is missing, damaged, not a picture, or too large.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"Image '{path}' cannot be read: {error.strerror or error}.") from None
    return decode_image(data, path, max_pixels)


def decode_image(data: bytes, place: str | Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Unpack a picture.

    Args:
        data: The bytes of a file.
        place: Its name, for the message.
        max_pixels: Refuse larger pictures before they are decoded.

    Returns:
        (H, W, 3) uint8 pixels, blue first as OpenCV has them, upright.

    Raises:
        InputError: It is damaged, not a picture, or too large.
    """
    check_size(data, place, max_pixels)
    try:
        # Decoding from memory: OpenCV's own file reader writes its complaints to stderr.
        pixels = cv2.imdecode(np.frombuffer(data or b"\0", np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(f"Image '{place}' cannot be read or is cut short: replace the file.")
    return np.asarray(pixels, dtype=np.uint8)


def check_size(source: bytes | str | Path, place: str | Path, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a picture whose header says that it is too large.

    Args:
        source: Its bytes, or the file.
        place: Its name, for the message.
        max_pixels: How large it may be.

    Raises:
        InputError: It has more pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                width, height = image.size
        except Image.DecompressionBombError:
            check_pixels(max_pixels + 1, 1, place, max_pixels)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
            return  # damaged, or of a format that only OpenCV knows: it decides
    check_pixels(width, height, place, max_pixels)


def check_pixels(width: int, height: int, place: str | Path, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a picture or frame of too many pixels.

    Raises:
        InputError: It has more than ``max_pixels``.
    """
    if width * height > max_pixels:
        raise InputError(
            f"'{place}' has more than the {max_pixels // 1_000_000} million pixels that are read; "
            "shrink it."
        )
