"""Exact ground truth of rendered video: masks, depth order, motion, and points that follow.

Coordinates of images are continuous: the centre of the first pixel is (0.5, 0.5), a box around it
is (0, 0, 1, 1). An object's *own* coordinates are fixed to its surface and move with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BACKGROUND = -1
"""In `FrameTruth.layers`: nothing but the background is seen."""
COVER = -2
"""In `FrameTruth.layers`: something that belongs to no class hides what is behind."""
MIN_VISIBLE_FRACTION = 0.25
MIN_VISIBLE_SIDE = 5
MIN_VISIBLE_AREA = 40


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """Ground truth of one frame with N objects; later objects are nearer to the camera.

    Attributes:
        layers: (H, W) int16, what is seen at every pixel centre: the position of an object,
            `BACKGROUND` or `COVER`.
        motion: (N, 2, 3) float64, affine maps from own coordinates to image pixels.
        background_motion: (2, 3) float64, the map from the background to image pixels.
        whole_bboxes: (N, 4) float32 xyxy around the whole object, also where it is hidden or
            outside of the image.
        whole_areas: (N,) float64 area of the whole object in pixels.
        blur: (N,) float32, pixels that the object moves while the frame is exposed.
        light: Brightness of the frame; 1 is neutral.
    """

    layers: NDArray[np.int16]
    motion: NDArray[np.float64]
    background_motion: NDArray[np.float64]
    whole_bboxes: NDArray[np.float32]
    whole_areas: NDArray[np.float64]
    blur: NDArray[np.float32]
    light: float

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """(N,) pixels seen of every object."""
        seen = self.layers[self.layers >= 0]
        return np.bincount(seen, minlength=len(self.motion)).astype(np.int64)

    @cached_property
    def bboxes(self) -> NDArray[np.float32]:
        """(N, 4) xyxy around the pixels seen of every object, all zero where none is."""
        boxes = np.zeros((len(self.motion), 4), np.float32)
        for i in np.flatnonzero(self.areas):
            mask = self.mask(int(i))
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            boxes[i] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return boxes

    @cached_property
    def inside(self) -> NDArray[np.float64]:
        """(N,) part of every whole box that lies inside the image, in [0, 1]."""
        height, width = self.layers.shape
        boxes = self.whole_bboxes.astype(np.float64)
        low = np.maximum(boxes[:, :2], 0)
        high = np.minimum(boxes[:, 2:], (width, height))
        area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-9), axis=1)
        return np.prod(np.maximum(high - low, 0), axis=1) / area

    @cached_property
    def visible(self) -> NDArray[np.float64]:
        """(N,) part of every object that is seen, in [0, 1]; outside of the image is not seen."""
        return np.minimum(self.areas / np.maximum(self.whole_areas, 1e-9), 1.0)

    @cached_property
    def annotated(self) -> NDArray[np.int64]:
        """Positions of the objects that are seen well enough to be annotated, ascending.

        At least `MIN_VISIBLE_FRACTION` of the whole area is seen, on at least `MIN_VISIBLE_AREA`
        pixels, `MIN_VISIBLE_SIDE` pixels in width and in height.
        """
        sides = self.bboxes[:, 2:] - self.bboxes[:, :2]
        seen = (
            (self.areas >= MIN_VISIBLE_FRACTION * self.whole_areas)
            & (self.areas >= MIN_VISIBLE_AREA)
            & (sides.min(axis=1, initial=np.inf) >= MIN_VISIBLE_SIDE)
        )
        return np.flatnonzero(seen)

    def mask(self, i: int) -> NDArray[np.bool_]:
        """(H, W), the pixels seen of object ``i``."""
        return self.layers == i


@dataclass(frozen=True)
class VideoTruth:
    """Ground truth of one video.

    Attributes:
        name: Name of the video.
        width: Image width in pixels.
        height: Image height in pixels.
        labels: (N,) int64, the class of every object.
        frames: Ground truth of each of T frames.
    """

    name: str
    width: int
    height: int
    labels: NDArray[np.int64]
    frames: tuple[FrameTruth, ...]


@dataclass(frozen=True)
class SurfacePoints:
    """P points that stick to surfaces.

    Attributes:
        owners: (P,) int64, positions of objects, or `BACKGROUND`.
        own: (P, 2) float64 places in own coordinates of the object, or of the background.
    """

    owners: NDArray[np.int64]
    own: NDArray[np.float64]

    @staticmethod
    def at(truth: FrameTruth, places: NDArray[np.float64]) -> SurfacePoints:
        """Take what is seen at ``places``, (P, 2) image pixels of one frame.

        Raises:
            ValueError: A place shows a cover, which nothing follows, or lies outside of the image.
        """
        owners = _seen_at(truth, places)
        if (owners == COVER).any():
            raise ValueError("a point lies on a cover or outside of the image")
        own = np.empty_like(places, dtype=np.float64)
        for owner in np.unique(owners):
            rows = owners == owner
            motion = _motion_of(truth, int(owner))
            own[rows] = np.linalg.solve(motion[:, :2], (places[rows] - motion[:, 2]).T).T
        return SurfacePoints(owners, own)

    def follow(self, frames: Sequence[FrameTruth]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return where the points are, (P, T, 2) image pixels, and whether seen, (P, T)."""
        places = np.empty((len(self.owners), len(frames), 2))
        visible = np.zeros((len(self.owners), len(frames)), bool)
        for t, truth in enumerate(frames):
            for owner in np.unique(self.owners):
                rows = self.owners == owner
                motion = _motion_of(truth, int(owner))
                places[rows, t] = self.own[rows] @ motion[:, :2].T + motion[:, 2]
            visible[:, t] = _seen_at(truth, places[:, t]) == self.owners
        return places, visible


def _motion_of(truth: FrameTruth, owner: int) -> NDArray[np.float64]:
    return truth.background_motion if owner == BACKGROUND else truth.motion[owner]


def _seen_at(truth: FrameTruth, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """(P,) what is seen at image places (P, 2); `COVER` outside of the image."""
    height, width = truth.layers.shape
    column, row = np.floor(places).astype(np.int64).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    seen = np.full(len(places), COVER, np.int64)
    seen[inside] = truth.layers[row[inside], column[inside]]
    return seen
