"""How objects, the camera and the light move."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

_PIXELS_PER_EXPOSURE = 1.5
SMALLEST, LARGEST = 24.0, 96.0
"""Limits of object diameters in pixels of a frame 256 wide; they grow with larger frames."""


@dataclass(frozen=True)
class Paths:
    """Where every object is in every frame, in world pixels (the frame at rest).

    Attributes:
        centres: (T, N, 2) float64 object centres (x, y).
        sizes: (T, N) float64 object diameters.
        angles: (T, N) float64 rotations, radians.
    """

    centres: np.ndarray
    sizes: np.ndarray
    angles: np.ndarray


@dataclass(frozen=True)
class Camera:
    """What the camera does to a scene.

    Attributes:
        zoom: (T,) float64 magnification about the middle of the frame.
        shift: (T, 2) float64 image translation (x, y) in pixels.
        gain: (T, 3) float64 light per RGB channel.
        exposure: Part of the time between two frames during which light is collected; 0 is sharp.
    """

    zoom: np.ndarray
    shift: np.ndarray
    gain: np.ndarray
    exposure: float

    def moments(self, frame: int, blur: np.ndarray) -> np.ndarray:
        """Times at which light is collected for a frame, close enough for smooth blur.

        Args:
            frame: The frame, whose number is the middle of its exposure.
            blur: (N,) pixels that each object moves meanwhile.
        """
        if not self.exposure:
            return np.array([float(frame)])
        count = max(5, ceil(float(blur.max(initial=0)) / _PIXELS_PER_EXPOSURE))
        return frame + np.linspace(-0.5, 0.5, count) * self.exposure


def walk(
    rng: np.random.Generator,
    num_frames: int,
    base_sizes: np.ndarray,
    width: int,
    height: int,
    pace: float = 1.0,
    reentry: float = 1.0,
) -> Paths:
    """Let objects fly smoothly from goal to goal.

    A goal is a place inside the frame, a place well outside it (the object leaves and returns
    later), or the present position of another object (their paths cross).

    Args:
        rng: Source of randomness.
        num_frames: T.
        base_sizes: (N,) mean diameters in pixels.
        width: Frame width in pixels.
        height: Frame height in pixels.
        pace: Multiplies all speeds.
        reentry: Multiplies how often a goal lies outside of the frame.
    """
    count = len(base_sizes)
    frame = np.array([width, height], float)
    position = rng.uniform(0.08, 0.92, (count, 2)) * frame
    speed = pace * width / 256 * np.exp(rng.uniform(np.log(2.0), np.log(7.0), count))
    leave = 0.3 * reentry
    goals = np.stack([_goal(rng, position, i, frame, base_sizes[i], leave) for i in range(count)])
    heading = rng.uniform(0, 2 * np.pi, count)
    velocity = np.stack([np.cos(heading), np.sin(heading)], axis=1) * speed[:, None]
    centres = np.empty((num_frames, count, 2))
    for t in range(num_frames):
        centres[t] = position
        to_goal = goals - position
        distance = np.hypot(*to_goal.T)
        wanted = to_goal / np.maximum(distance, 1e-6)[:, None] * speed[:, None]
        velocity += 0.22 * (wanted - velocity) + rng.normal(0, 0.12, (count, 2)) * speed[:, None]
        position = position + velocity
        for i in np.flatnonzero(distance < 2.5 * speed):
            goals[i] = _goal(rng, position, i, frame, base_sizes[i], leave)
    time = np.arange(num_frames)[:, None]
    sizes = base_sizes * np.exp(wave(rng, time, count, amplitude=0.28))
    spin = rng.uniform(-0.09, 0.09, count) * pace
    angles = rng.uniform(-np.pi, np.pi, count) + spin * time + wave(rng, time, count, 0.3)
    scale = max(1.0, min(width / 256, height / 192))
    return Paths(centres, np.clip(sizes, SMALLEST * scale, LARGEST * scale), angles)


def film(
    rng: np.random.Generator,
    num_frames: int,
    width: int,
    exposure: float,
    gain: float,
    drift: float = 1.0,
    shake: float = 0.0,
) -> Camera:
    """Move the camera and the light a little.

    Args:
        rng: Source of randomness.
        num_frames: T.
        width: Frame width in pixels.
        exposure: See `Camera`.
        gain: Mean brightness; 1 leaves it unchanged.
        drift: Multiplies the slow change of brightness.
        shake: Standard deviation of the jerks of the camera, in percent of the frame width.
    """
    time = np.arange(num_frames)[:, None]
    zoom = np.exp(wave(rng, time, 1, 0.06))[:, 0]
    shift = wave(rng, time, 2, 0.05 * width)
    shift = shift + rng.normal(0, 0.01 * width, (num_frames, 2)) * shake
    brightness = gain * np.exp(wave(rng, time, 1, 0.18 * drift))
    tint = np.exp(rng.uniform(-0.06, 0.06, 3))
    return Camera(zoom, shift, brightness * tint, exposure)


def _goal(
    rng: np.random.Generator,
    positions: np.ndarray,
    me: int,
    frame: np.ndarray,
    size: float,
    leave: float,
) -> np.ndarray:
    kind = rng.random()
    others = np.delete(np.arange(len(positions)), me)
    inside = bool(np.all((positions[me] > 0) & (positions[me] < frame)))
    if kind < leave and inside:
        angle = rng.uniform(0, 2 * np.pi)
        middle_to_rim = frame / 2 + size * rng.uniform(0.7, 1.4)
        direction = np.array([np.cos(angle), np.sin(angle)])
        return frame / 2 + direction / np.abs(direction / middle_to_rim).max()
    if kind < 0.75 and len(others):
        return np.clip(positions[rng.choice(others)], 0.1 * frame, 0.9 * frame)
    return rng.uniform(0.1, 0.9, 2) * frame


def wave(rng: np.random.Generator, time: np.ndarray, count: int, amplitude: float) -> np.ndarray:
    """Return (T, count) slow sine waves of random period (30 to 90 frames), phase and strength."""
    period = rng.uniform(30, 90, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    return amplitude * rng.uniform(0.3, 1, count) * np.sin(2 * np.pi * time / period + phase)
