"""Points of rendered video to be tracked, on objects and on the background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.synthetic.truth import BACKGROUND, COVER, FrameTruth, SurfacePoints
from vovtrack.synthetic.video_source import VideoSource

MAX_PIXELS = 1_000_000_000
"""Pixels of all frames of one video, which is in memory as a whole."""
_RIM = 0.1
"""Distance of a point from the rim of its pixel, in pixels, that rounding cannot cross."""


def check_length(source: VideoSource) -> None:
    """Refuse a video whose truth does not fit into the memory.

    Raises:
        InputError: It has more than `MAX_PIXELS`.
    """
    if source.num_frames * source.width * source.height > MAX_PIXELS:
        raise InputError(
            f"{source.num_frames} frames of {source.width}x{source.height} have more than "
            f"{MAX_PIXELS:,} pixels, too many to follow points in: ask for fewer or smaller frames."
        )


def sample_points(
    truths: Sequence[FrameTruth],
    count: int,
    rng: np.random.Generator,
    first_share: float = 0.0,
    background_share: float = 0.3,
) -> SurfacePoints:
    """Choose points, each of which is seen in at least one frame.

    A point is chosen by frame, then by object, and then by pixel, so that small objects have as
    many points as large ones.

    Args:
        truths: Ground truth of T frames.
        count: How many points.
        rng: Source of randomness.
        first_share: Share of points that are chosen in the first frame; the others are chosen in
            any.
        background_share: Probability of a point of the background where objects are seen, too.

    Raises:
        InputError: Covers hide everything in all frames.
    """
    shown = np.flatnonzero([(truth.layers != COVER).any() for truth in truths])
    if not len(shown):
        raise InputError("no frame shows anything that a point could stick to.")
    early = rng.random(count) < first_share
    times = np.where(early, shown[0], rng.choice(shown, count))
    parts = [
        SurfacePoints.at(truths[t], _places(truths[t].layers, n, rng, background_share))
        for t, n in zip(*np.unique(times, return_counts=True), strict=True)
    ]
    return SurfacePoints(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.own for part in parts]),
    )


def _places(
    layers: NDArray[np.int16], count: int, rng: np.random.Generator, background_share: float
) -> NDArray[np.float64]:
    """Draw (n, 2) places in the pixels of objects and of the background."""
    seen = np.unique(layers[layers != COVER])
    weights = np.where(seen == BACKGROUND, background_share, 0.0)
    objects = seen != BACKGROUND
    weights[objects] = (1 - weights.sum()) / max(1, objects.sum())
    owners = rng.choice(seen, count, p=weights / weights.sum())
    places = np.empty((count, 2))
    for owner in np.unique(owners):
        pixels = np.argwhere(layers == owner)[:, ::-1]
        rows = owners == owner
        places[rows] = pixels[rng.integers(len(pixels), size=rows.sum())]
    return places + rng.uniform(_RIM, 1 - _RIM, places.shape)
