"""Colours that stay with an identity."""

from __future__ import annotations

PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (148, 103, 189),
    (23, 190, 207),
    (188, 189, 34),
)
"""RGB. The first seven are the colour-blind safe set of Okabe and Ito (2008)."""


def track_color(track_id: int) -> tuple[int, int, int]:
    """RGB colour of a track: the same for the same id, different for ids close to it."""
    return PALETTE[track_id % len(PALETTE)]


def state_color(weight: float) -> tuple[int, int, int]:
    """RGB between orange (0, hard to track) and blue (1, easy); distinct to colour-blind eyes."""
    hard, easy = PALETTE[5], PALETTE[4]
    red, green, blue = (round(h + weight * (e - h)) for h, e in zip(hard, easy, strict=True))
    return red, green, blue
