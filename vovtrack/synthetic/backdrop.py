"""What is not an object: backgrounds, clutter and the bars that hide things."""

from __future__ import annotations

import cv2
import numpy as np

from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.photographs import Kind, crop_of


def draw_backdrop(
    rng: np.random.Generator,
    width: int,
    height: int,
    shifted: bool = False,
    dials: Dials | None = None,
) -> np.ndarray:
    """Paint a textured background with clutter that belongs to no class.

    Args:
        rng: Source of randomness.
        width: Canvas width in pixels.
        height: Canvas height in pixels.
        shifted: Use what the raw clips show: textures (photographed, grain, masonry) in place of
            pictures and smooth noise.
        dials: Of these ``photographs`` and ``clutter``.

    Returns:
        (height, width, 3) float32 RGB in [0, 1].
    """
    dials = dials or Dials()
    photographed = rng.random() < (0.5 if shifted else 0.3) * dials.photographs
    if photographed:
        kind: Kind = "texture" if shifted else "picture"
        canvas = _toned(rng, crop_of(rng, kind, "train", width, height))
    else:
        canvas = _painted(rng, width, height, shifted)
    for _ in range(round(int(rng.integers(4, 10)) * dials.clutter)):
        _draw_clutter(rng, canvas)
    return canvas


def draw_bars(
    rng: np.random.Generator, width: int, height: int, count: int, breadth: float = 1.0
) -> np.ndarray:
    """Paint occluding bars on a transparent layer.

    Args:
        rng: Source of randomness.
        width: Canvas width in pixels.
        height: Canvas height in pixels.
        count: Number of bars.
        breadth: Multiplies their widths.

    Returns:
        (height, width, 4) float32: premultiplied RGB in [0, 1], then alpha.
    """
    alpha: np.ndarray = np.zeros((height, width), np.uint8)
    shade = smooth_noise(rng, width, height)[..., None] * 0.35 + 0.65
    rgb: np.ndarray = np.zeros((height, width, 3), np.float32)
    for _ in range(count):
        bar = np.zeros_like(alpha)
        centre = rng.uniform(0.25, 0.75, 2) * (width, height)
        along = _unit(rng.choice([0.0, np.pi / 2]) + rng.uniform(-0.35, 0.35))
        across = np.array([-along[1], along[0]]) * rng.uniform(7, 17) * breadth
        reach = along * (width + height)
        corners = [-reach - across, reach - across, reach + across, across - reach]
        points = np.round((centre + corners) * 16).astype(np.int32)
        cv2.fillPoly(bar, [points], 255, lineType=cv2.LINE_AA, shift=4)
        cover = bar[..., None].astype(np.float32) / 255
        rgb = rgb * (1 - cover) + muted_colour(rng) * shade * cover
        alpha = np.maximum(alpha, bar)
    return np.dstack([rgb, alpha.astype(np.float32) / 255]).astype(np.float32)


def smooth_noise(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return noise of several octaves, (height, width) float32 in [0, 1]."""
    total = np.zeros((height, width), np.float32)
    coarsest = int(rng.integers(3, 6))
    roughness = rng.uniform(0.45, 0.65)
    for octave in range(5):
        cells = coarsest * 2**octave
        grid = rng.random((cells, cells), dtype=np.float32)
        total += roughness**octave * cv2.resize(
            grid, (width, height), interpolation=cv2.INTER_CUBIC
        )
    return cv2.normalize(total, np.empty_like(total), 0.0, 1.0, cv2.NORM_MINMAX)


def muted_colour(rng: np.random.Generator) -> np.ndarray:
    """Return an RGB in [0, 1] too grey to be mistaken for the colour of a class."""
    grey = rng.uniform(0.15, 0.85)
    return np.clip(grey + rng.uniform(-0.1, 0.1, 3), 0, 1).astype(np.float32)


def _painted(rng: np.random.Generator, width: int, height: int, shifted: bool) -> np.ndarray:
    dark, light = sorted((muted_colour(rng) for _ in range(2)), key=lambda c: float(c.sum()))
    if shifted:
        weight = _grain(rng, width, height) if rng.random() < 0.5 else _masonry(rng, width, height)
    else:
        weight = smooth_noise(rng, width, height)
    weight = 0.7 * weight + 0.3 * _gradient(rng, width, height)
    canvas = dark * (1 - weight[..., None]) + light * weight[..., None]
    return np.ascontiguousarray(canvas, np.float32)


def _toned(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Mute the colours of a photograph, so that the coloured things are the objects."""
    grey = picture.mean(axis=2, keepdims=True)
    muted = grey + (picture - grey) * rng.uniform(0.1, 0.6)
    return np.ascontiguousarray(muted * rng.uniform(0.6, 1.0), np.float32)


def _gradient(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    direction = _unit(rng.uniform(0, 2 * np.pi))
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)
    return (0.5 + 0.7 * (direction[0] * x[None] + direction[1] * y[:, None])).clip(0, 1)


def _grain(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    warp = smooth_noise(rng, width, height)
    x = np.linspace(0, rng.uniform(4, 10), width, dtype=np.float32)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (x[None] + 2.5 * warp))


def _masonry(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    row_height, stone = int(rng.integers(14, 26)), int(rng.integers(26, 48))
    row = np.arange(height)[:, None] // row_height
    column = (np.arange(width)[None] + (row % 2) * (stone // 2)) // stone
    tone = rng.random((height // row_height + 1, width // stone + 2), dtype=np.float32)
    wall = 0.35 + 0.65 * tone[row, column]
    joint_y = np.arange(height)[:, None] % row_height < 2
    joint_x = (np.arange(width)[None] + (row % 2) * (stone // 2)) % stone < 2
    return np.where(joint_y | joint_x, 0.1, wall).astype(np.float32)


def _draw_clutter(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Add one arc, zigzag or pebble in a muted colour; none is a shape of the vocabulary."""
    height, width = canvas.shape[:2]
    colour = muted_colour(rng).tolist()
    centre = rng.uniform(0, 1, 2) * (width, height)
    size = rng.uniform(8, 34)
    thickness = int(rng.integers(1, 5))
    kind = rng.choice(["arc", "zigzag", "pebble"])
    if kind == "arc":
        start = int(rng.integers(0, 360))
        axes = (int(size), int(size * rng.uniform(0.4, 1)))
        position = (int(centre[0]), int(centre[1]))
        tilt, sweep = int(rng.integers(0, 180)), int(rng.integers(60, 200))
        cv2.ellipse(
            canvas, position, axes, tilt, start, start + sweep, colour, thickness, cv2.LINE_AA
        )
    elif kind == "zigzag":
        steps = rng.uniform(-0.6, 0.6, (int(rng.integers(3, 7)), 2)) * size
        points = np.round((centre + np.cumsum(steps, axis=0)) * 16).astype(np.int32)
        cv2.polylines(canvas, [points], False, colour, thickness, cv2.LINE_AA, shift=4)
    else:
        angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        radius = size * 0.5 * rng.uniform(0.5, 1.0, 9)
        points = np.stack([np.cos(angle) * radius, np.sin(angle) * radius * 0.7], axis=1) + centre
        cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, shift=4)


def _unit(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])
