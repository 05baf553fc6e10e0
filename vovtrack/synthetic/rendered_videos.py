"""Rendered scenes as the sources of a set of videos."""

from __future__ import annotations

from functools import partial

import numpy as np

from vovtrack.errors import InputError
from vovtrack.synthetic.classes import COLOURS, compositions
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.scene import Scene, SceneRecipe
from vovtrack.synthetic.video_set import Sources

LIMITS = {
    "videos": (1, 100_000),
    "frames": (1, 100_000),
    "width": (32, 4096),
    "height": (32, 4096),
}
_STREAM = 1 << 16
"""Beginning of the seeds of these scenes, which no part of a mini world has."""


def rendered_videos(
    videos: int, frames: int, width: int, height: int, seed: int, dials: Dials | None = None
) -> Sources:
    """Return sources of scenes like those of the validation videos; each has objects of its own.

    A scene is a function of the seed, its number and the other arguments, so the videos of a
    small set begin those of a larger one.

    Args:
        videos: How many.
        frames: Of every video.
        width: Of the frames in pixels.
        height: Of the frames in pixels.
        seed: 0 or more.
        dials: Difficulties; None leaves them as they are.

    Raises:
        InputError: A number is out of range.
    """
    check_limits(videos=videos, frames=frames, width=width, height=height)
    recipe = SceneRecipe(frames, width, height, 0.4, 5, 8, lookalikes=0.45, dials=dials or Dials())
    return [(f"mini-{k + 1:04d}", partial(_open, recipe, seed, k)) for k in range(videos)]


def check_limits(**numbers: int) -> None:
    """Check numbers by the names in `LIMITS`.

    Raises:
        InputError: One is out of range.
    """
    for name, number in numbers.items():
        low, high = LIMITS[name]
        if not low <= number <= high:
            raise InputError(f"The number of {name} is {number}: expected {low} to {high}.")


def class_labels() -> list[str]:
    """Names of the classes by label."""
    return [composition.name for composition in compositions()]


def colour_groups() -> list[int]:
    """The colour of every class by label, for formats of few classes."""
    return [COLOURS.index(composition.colour) for composition in compositions()]


def _open(recipe: SceneRecipe, seed: int, number: int) -> Scene:
    sequence = np.random.SeedSequence(seed, spawn_key=(_STREAM, number))
    return Scene(np.random.default_rng(sequence), recipe)
