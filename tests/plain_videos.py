"""A video whose truth is simple enough to be known: rectangles that slide behind a bar."""

from __future__ import annotations

from functools import partial

import numpy as np

from vovtrack.synthetic.truth import BACKGROUND, COVER, FrameTruth


class PlainVideo:
    """Rectangles with a texture of their own over a texture that slides, too.

    Object 0 stays in full view. Object 1 passes the bar and is hidden in between. Object 2 leaves
    the image to the right.
    """

    def __init__(self, seed: int = 0, num_frames: int = 12, width: int = 96, height: int = 64):
        rng = np.random.default_rng(seed)
        self.width, self.height, self.num_frames = width, height, num_frames
        self.labels = np.array([3, 1, 5])
        self.rendered: list[int] = []
        self._starts = np.array([[6.0, 38.0], [4.0, 8.0], [70.0, 38.0]])
        self._speeds = np.array([[1.0, 0.5], [4.0, 0.0], [2.5, 0.0]])
        self._sizes = np.array([[16, 14], [10, 12], [14, 12]])
        self._textures = [_blocks(rng, w, h) for w, h in self._sizes]
        self._ground = _blocks(rng, width, height)

    def truth_of(self, frame: int) -> FrameTruth:
        corners = self._starts + frame * self._speeds
        motion = np.stack([np.column_stack([np.eye(2), corner]) for corner in corners])
        layers = np.full((self.height, self.width), BACKGROUND, np.int16)
        x, y = np.arange(self.width) + 0.5, np.arange(self.height)[:, None] + 0.5
        for i, (corner, size) in enumerate(zip(corners, self._sizes, strict=True)):
            low, high = corner, corner + size
            layers[(low[0] <= x) & (x < high[0]) & (low[1] <= y) & (y < high[1])] = i
        layers[:32, 24:38] = COVER
        return FrameTruth(
            layers=layers,
            motion=motion,
            background_motion=np.array([[1.0, 0, frame], [0, 1, 0]]),
            whole_bboxes=np.hstack([corners, corners + self._sizes]).astype(np.float32),
            whole_areas=self._sizes.prod(axis=1).astype(np.float64),
            blur=np.zeros(3, np.float32),
            light=1.0,
        )

    def render(self, frame: int) -> tuple[np.ndarray, FrameTruth]:
        self.rendered.append(frame)
        truth = self.truth_of(frame)
        image = np.roll(self._ground, frame, axis=1)
        for i, texture in enumerate(self._textures):
            rows, columns = np.nonzero(truth.mask(i))
            own = np.column_stack([columns, rows]) + 0.5 - truth.motion[i, :, 2]
            u, v = np.floor(own).astype(int).T
            image[rows, columns] = texture[v, u]
        image[truth.layers == COVER] = 90
        return image, truth


def _blocks(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A texture of plain blocks of 8 by 8, which JPEG keeps."""
    colours = rng.integers(60, 200, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return np.kron(colours, np.ones((8, 8, 1), np.uint8))[:height, :width]


def plain_sources(count: int = 3, **kwargs):
    """Sources of ``count`` videos, for ``write_videos``."""
    return [(f"plain-{k:02d}", partial(PlainVideo, k, **kwargs)) for k in range(count)]
