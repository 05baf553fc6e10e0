"""Ways to follow a box that learn nothing beforehand."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.benchmarks.box_learning.videos import Video

RATE = 0.05
"""How much of the newest frame goes into a template or a filter."""
SIDE, WIDTH, SMALL = 2.0, 2.0, 0.1
"""Of a correlation filter: its window in sides of its box, the pixels of its peak, and what is
added where a frequency is missing."""


def static(video: Video) -> NDArray[np.float64]:
    """The box stays where it was marked."""
    return np.repeat(video.boxes[:1], len(video.frames), axis=0)


def template(video: Video, rate: float = 0.0) -> NDArray[np.float64]:
    """The box is where its first picture fits best in the whole frame (normalised correlation).

    Args:
        video: What to follow.
        rate: Share of the newest picture that is mixed into the template.
    """
    height, width = video.frames.shape[1:3]
    x, y, w, h = video.boxes[0].round().astype(int)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, width), min(y + h, height)
    patch = video.frames[0, top:bottom, left:right].astype(np.float32)
    found = [video.boxes[0]]
    for frame in video.frames[1:].astype(np.float32):
        _, _, _, (column, row) = cv2.minMaxLoc(
            cv2.matchTemplate(frame, patch, cv2.TM_CCOEFF_NORMED)
        )
        found.append(video.boxes[0] + (column - left, row - top, 0, 0))
        here = frame[row : row + patch.shape[0], column : column + patch.shape[1]]
        patch = (1 - rate) * patch + rate * here
    return np.array(found)


def updated_template(video: Video) -> NDArray[np.float64]:
    """As :func:`template`, which changes slowly."""
    return template(video, RATE)


def mosse(video: Video) -> NDArray[np.float64]:
    """A correlation filter that is learned in the first frame and updated (Bolme, CVPR 2010)."""
    size = np.maximum((SIDE * video.boxes[0, 2:]).round().astype(int), 8)
    centre = video.boxes[0, :2] + video.boxes[0, 2:] / 2
    rows, columns = np.mgrid[: size[1], : size[0]]
    away = (rows - size[1] // 2) ** 2 + (columns - size[0] // 2) ** 2
    wanted = np.fft.fft2(np.exp(-away / (2 * WIDTH**2)))
    window = np.outer(np.hanning(size[1]), np.hanning(size[0]))
    greys = [np.log1p(np.float32(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY))) for f in video.frames]

    def learned(grey: NDArray[np.float32]) -> NDArray[np.complex128]:
        seen = _spectrum(grey, centre, size, window)
        return np.stack([wanted * seen.conj(), seen * seen.conj() + SMALL])

    fractions, found = learned(greys[0]), [video.boxes[0]]
    for grey in greys[1:]:
        above, below = fractions
        answer = np.fft.ifft2(above / below * _spectrum(grey, centre, size, window)).real
        row, column = np.unravel_index(answer.argmax(), answer.shape)
        centre = centre + (column - size[0] // 2, row - size[1] // 2)
        found.append(np.concatenate([centre - video.boxes[0, 2:] / 2, video.boxes[0, 2:]]))
        fractions = (1 - RATE) * fractions + RATE * learned(grey)
    return np.array(found)


def _spectrum(
    grey: NDArray[np.float32],
    centre: NDArray[np.float64],
    size: NDArray[np.int_],
    window: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Of the pixels around a place, normalised and faded out at the edges."""
    patch = cv2.getRectSubPix(grey, tuple(map(int, size)), tuple(map(float, centre)))
    spectrum: NDArray[np.complex128] = np.fft.fft2(
        (patch - patch.mean()) / (patch.std() + 1e-5) * window
    )
    return spectrum
