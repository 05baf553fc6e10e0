"""What is known of how an object is seen, in numbers and in words.

The numbers stand beside every annotation of a rendered world. The words follow from them here and
nowhere else, so that what a caption names and what an evaluation counts as degraded is the same.
"""

from __future__ import annotations

from vovtrack.synthetic.truth import FrameTruth

MEASURES = ("visibility", "truncation", "blur", "light")
"""Keys of an annotation; see `measures_of`."""
STATES = ("clear", "occluded", "truncated", "blurry", "dark")
"""The words that `states_of` uses; "clear" stands alone."""
OCCLUDED = 0.25
"""Part of the whole object that others hide, from which it is occluded."""
TRUNCATED = 0.2
"""Part of the whole box outside of the image, from which the object is truncated."""
BLURRY = 2.0
"""Pixels moved during the exposure, from which an object is blurry."""
DARK = 0.5
"""Brightness up to which an object is dark; 1 is neutral."""


def measures_of(truth: FrameTruth, i: int) -> dict[str, float]:
    """Return how object ``i`` is seen in one frame, under the names of `MEASURES`.

    ``visibility`` is the part of its area that is seen and ``truncation`` the part of its box
    outside of the image, both in [0, 1]; ``blur`` is in pixels, ``light`` is 1 where neutral.
    """
    values = truth.visible[i], 1 - truth.inside[i], truth.blur[i], truth.light
    return {name: round(float(value), 4) for name, value in zip(MEASURES, values, strict=True)}


def states_of(visibility: float, truncation: float, blur: float, light: float) -> tuple[str, ...]:
    """Return the words of `STATES` that apply, in that order: "clear" alone, or all the others.

    What is hidden is what lies inside of the image and is not seen. The part of the *box* that is
    outside stands for the part of the area. For a convex object that one edge cuts, the two differ
    by at most a quarter, which is `OCCLUDED`: truncation alone does not make it occluded.

    Args:
        visibility: See `measures_of`, as the other arguments.
        truncation: Part of the box outside of the image.
        blur: Pixels moved during the exposure.
        light: Brightness of the frame.
    """
    applies = {
        "occluded": 1 - truncation - visibility > OCCLUDED,
        "truncated": truncation >= TRUNCATED,
        "blurry": blur >= BLURRY,
        "dark": light <= DARK,
    }
    return tuple(word for word, true in applies.items() if true) or ("clear",)
