"""How one object looks: its class gives pattern, colour and shape; its `Look` the small rest."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from vovtrack.synthetic.classes import Composition
from vovtrack.synthetic.outlines import shape_outline
from vovtrack.synthetic.photographs import crop_of

HUES = {
    "red": 0.0,
    "yellow": 0.145,
    "green": 0.34,
    "cyan": 0.49,
    "blue": 0.635,
    "purple": 0.80,
}
SPRITE_PX = 128
SPRITE_EXTENT = 1.1
"""A sprite covers [-SPRITE_EXTENT, SPRITE_EXTENT]^2; the shape itself covers [-1, 1]^2."""


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
        surface: (SPRITE_PX, SPRITE_PX) float32 factors of brightness around 1: what a photograph
            lends to it; None is smooth.
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
    surface: np.ndarray | None


def draw_look(
    rng: np.random.Generator,
    composition: Composition,
    photographs: float = 1.0,
    tints: float = 1.0,
) -> Look:
    """Draw the individual look of one instance of a class.

    Args:
        rng: Source of randomness.
        composition: Its class.
        photographs: Factor of the share of instances with the surface of a photograph.
        tints: Factor of the spread of colours within the class.
    """

    def tint(low: float, high: float) -> float:
        return tints * rng.uniform(low, high) + (1 - tints) * (low + high) / 2

    hue = HUES[composition.colour] + tint(-0.024, 0.024)
    primary = _hsv(hue, tint(0.78, 1.0), tint(0.68, 1.0))
    bright = float(primary @ np.array([0.299, 0.587, 0.114])) > 0.5
    if bright or tint(0, 1) < 0.4:
        secondary = _hsv(hue, tint(0.2, 0.8), tint(0.05, 0.3))
    else:
        secondary = _hsv(hue, tint(0.0, 0.2), tint(0.82, 1.0))
    return Look(
        primary=primary,
        secondary=secondary,
        border=_hsv(tint(0, 1), tint(0.0, 0.35), tint(0.05, 1.0)),
        border_width=rng.uniform(0.04, 0.15),
        pattern_angle=rng.uniform(0.0, np.pi),
        pattern_scale=rng.uniform(0.8, 1.3),
        phase=rng.random(2),
        shading=rng.uniform(0.0, 0.3),
        shading_angle=rng.uniform(0.0, 2 * np.pi),
        aspect=rng.uniform(0.86, 1.16),
        surface=draw_surface(rng) if rng.random() < 0.45 * photographs else None,
    )


def draw_surface(rng: np.random.Generator) -> np.ndarray:
    """Take the relief of a photograph: (SPRITE_PX, SPRITE_PX) float32 factors around 1."""
    texture = crop_of(rng, "texture", "train", SPRITE_PX, SPRITE_PX).mean(axis=2)
    spread = float(texture.std()) + 1e-3
    relief = (texture - float(texture.mean())) / spread * rng.uniform(0.08, 0.2)
    return np.clip(1 + relief, 0.4, 1.6).astype(np.float32)


def draw_sprite(composition: Composition, look: Look) -> np.ndarray:
    """Paint one object, upright and alone.

    Returns:
        (SPRITE_PX, SPRITE_PX, 4) float32: premultiplied RGB in [0, 1], then alpha.
    """
    unit = SPRITE_PX / (2 * SPRITE_EXTENT)
    axis = ((np.arange(SPRITE_PX) + 0.5) / unit - SPRITE_EXTENT).astype(np.float32)
    u, v = np.meshgrid(axis, axis)
    mask = np.zeros((SPRITE_PX, SPRITE_PX), np.uint8)
    points = np.round((outline_of(composition, look) + SPRITE_EXTENT) * unit * 16 - 8)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)

    weight = _pattern(composition.pattern, look, u, v)[..., None]
    rgb = (
        look.primary.astype(np.float32) * (1 - weight) + look.secondary.astype(np.float32) * weight
    )
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) / unit
    edge = np.clip((look.border_width - depth) * unit + 0.5, 0, 1)[..., None]
    rgb = rgb * (1 - edge) + look.border.astype(np.float32) * edge
    light = 1 + look.shading * (u * np.cos(look.shading_angle) + v * np.sin(look.shading_angle))
    if look.surface is not None:
        light = light * look.surface
    rgb = np.clip(rgb * light[..., None], 0, 1)
    alpha = mask.astype(np.float32)[..., None] / 255
    return np.concatenate([rgb * alpha, alpha], axis=2).astype(np.float32)


def outline_of(composition: Composition, look: Look) -> np.ndarray:
    """Return the outline of one instance in own coordinates, (K, 2) inside [-1, 1]^2."""
    scale = min(1.0, look.aspect), min(1.0, 1 / look.aspect)
    return shape_outline(composition.shape) * scale


def sprite_pyramid(sprite: np.ndarray) -> list[np.ndarray]:
    """Return the sprite at full, half and quarter size, so that shrinking it does not alias."""
    half = cv2.resize(sprite, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    quarter = cv2.resize(half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return [sprite, half, quarter]


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    inside = (min(max(part, 0.0), 1.0) for part in (saturation, value))
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, *inside))


def _pattern(pattern: str, look: Look, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the weight of the secondary colour in [0, 1] at every sprite position."""
    cos, sin = np.cos(look.pattern_angle), np.sin(look.pattern_angle)
    # Periods per unit length: about 3 stripes, 3 x 3 dots or 5 x 5 checks across.
    frequency = {"striped": 1.5, "dotted": 1.6, "checkered": 1.25}.get(pattern, 0.0)
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
