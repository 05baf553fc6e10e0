"""How one object looks: its class gives pattern, colour and shape; its `Look` the small rest."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from vovtrack.synthetic.classes import Composition

HUES = {
    "red": 0.0,
    "yellow": 0.145,
    "green": 0.35,
    "blue": 0.63,
}
SPRITE_PX = 128
SPRITE_EXTENT = 1.1
"""A sprite covers [-SPRITE_EXTENT, SPRITE_EXTENT]^2; the shape itself covers [-1, 1]^2."""
_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Look:
    """What tells an instance from others of its class.

    Attributes:
        primary: RGB in [0, 1] of the colour the class names.
        secondary: RGB in [0, 1] of stripes, dots and checks.
        border: RGB in [0, 1] of the outline.
        border_width: Outline width, in units of the shape's half size.
        pattern_angle: Rotation of the pattern against the shape, radians.
        pattern_scale: Multiplies the spatial frequency of the pattern.
        phase: Shift of the pattern (x, y), in periods.
        shading: Strength of the light gradient across the object.
        shading_angle: Direction of that gradient, radians.
        aspect: Width divided by height.
    """

    primary: np.ndarray
    secondary: np.ndarray
    border: np.ndarray
    border_width: float
    pattern_angle: float
    pattern_scale: float
    phase: np.ndarray
    shading: float
    shading_angle: float
    aspect: float


def draw_look(rng: np.random.Generator, composition: Composition) -> Look:
    """Draw the individual look of one instance of a class."""
    hue = (HUES[composition.colour] + rng.uniform(-0.024, 0.024)) % 1.0
    primary = _hsv(hue, rng.uniform(0.78, 1.0), rng.uniform(0.68, 1.0))
    bright = float(primary @ np.array([0.299, 0.587, 0.114])) > 0.5
    if bright or rng.random() < 0.4:
        secondary = _hsv(hue, rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.3))
    else:
        secondary = _hsv(hue, rng.uniform(0.0, 0.2), rng.uniform(0.82, 1.0))
    return Look(
        primary=primary,
        secondary=secondary,
        border=_hsv(rng.random(), rng.uniform(0.0, 0.35), rng.uniform(0.05, 1.0)),
        border_width=rng.uniform(0.04, 0.15),
        pattern_angle=rng.uniform(0.0, np.pi),
        pattern_scale=rng.uniform(0.8, 1.3),
        phase=rng.random(2),
        shading=rng.uniform(0.0, 0.3),
        shading_angle=rng.uniform(0.0, 2 * np.pi),
        aspect=rng.uniform(0.86, 1.16),
    )


def draw_sprite(composition: Composition, look: Look) -> np.ndarray:
    """Paint one object, upright and alone.

    Returns:
        (SPRITE_PX, SPRITE_PX, 4) float32: premultiplied RGB in [0, 1], then alpha.
    """
    canvas = SPRITE_PX * _SUPERSAMPLING
    unit = canvas / (2 * SPRITE_EXTENT)
    axis = ((np.arange(canvas) + 0.5) / unit - SPRITE_EXTENT).astype(np.float32)
    u, v = np.meshgrid(axis, axis)
    mask = np.zeros((canvas, canvas), np.uint8)
    outline = shape_outline(composition.shape) * _aspect_scale(look.aspect)
    points = np.round((outline + SPRITE_EXTENT) * unit * 16 - 8).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, lineType=cv2.LINE_AA, shift=4)

    weight = _pattern(composition.pattern, look, u, v)[..., None]
    rgb = (
        look.primary.astype(np.float32) * (1 - weight) + look.secondary.astype(np.float32) * weight
    )
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) / unit
    edge = np.clip((look.border_width - depth) * unit + 0.5, 0, 1)[..., None]
    rgb = rgb * (1 - edge) + look.border.astype(np.float32) * edge
    slope = u * np.cos(look.shading_angle) + v * np.sin(look.shading_angle)
    rgb = np.clip(rgb * (1 + look.shading * slope[..., None]), 0, 1)
    alpha = mask.astype(np.float32)[..., None] / 255
    sprite = np.concatenate([rgb * alpha, alpha], axis=2).astype(np.float32)
    return cv2.resize(sprite, (SPRITE_PX, SPRITE_PX), interpolation=cv2.INTER_AREA)


def sprite_pyramid(sprite: np.ndarray) -> list[np.ndarray]:
    """Return the sprite at full, half and quarter size, so that shrinking it does not alias."""
    half = cv2.resize(sprite, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    quarter = cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return [sprite, half, quarter]


def shape_outline(shape: str) -> np.ndarray:
    """Return the closed outline of a shape, (N, 2) float64 inside [-1, 1]^2, y pointing down."""
    if shape == "circle":
        return _polar(np.linspace(0, 2 * np.pi, 64, endpoint=False), 1.0)
    if shape == "square":
        return 0.88 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    if shape == "triangle":
        return _polar(-np.pi / 2 + np.arange(3) * 2 * np.pi / 3, 1.0) * [1.1, 1.15] + [0, 0.15]
    if shape == "star":
        return _polar(-np.pi / 2 + np.arange(10) * np.pi / 5, np.where(np.arange(10) % 2, 0.46, 1))
    raise ValueError(f"unknown shape {shape!r}")


def _polar(angle: np.ndarray, radius: float | np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1)


def _aspect_scale(aspect: float) -> np.ndarray:
    return np.array([min(1.0, aspect), min(1.0, 1 / aspect)])


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _pattern(pattern: str, look: Look, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the weight of the secondary colour in [0, 1] at every sprite position."""
    cos, sin = np.cos(look.pattern_angle), np.sin(look.pattern_angle)
    # Periods per unit length: about 2.5 stripes, 2 x 2 dots or 2 x 2 checks per half size.
    frequency = {"striped": 1.5, "dotted": 1.6, "checkered": 1.05}.get(pattern, 0.0)
    x = (u * cos + v * sin) * frequency * look.pattern_scale + look.phase[0]
    y = (v * cos - u * sin) * frequency * look.pattern_scale + look.phase[1]
    if pattern == "striped":
        return _step(np.sin(2 * np.pi * x))
    if pattern == "checkered":
        return _step(np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y))
    if pattern == "dotted":
        distance = np.hypot(x - np.round(x), y - np.round(y))
        return _step((0.3 - distance) * 3)
    return np.zeros_like(u)


def _step(signal: np.ndarray) -> np.ndarray:
    return np.clip(signal * 8 + 0.5, 0, 1).astype(np.float32)
