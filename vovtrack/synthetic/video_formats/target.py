"""The one object that a single-object sequence is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.synthetic.truth import FrameTruth
from vovtrack.synthetic.video_source import VideoSource

_WELL_VISIBLE = 0.9
_ENOUGH = 0.5
"""How long a target must be seen, in parts of what the best one is."""
_PRESENT = 1.0
"""Pixels of a box, in each direction, that make it one inside of the image."""


@dataclass(frozen=True)
class Target:
    """What happens to the target in T frames.

    Attributes:
        label: Its class.
        frames: Which frames of the video show it.
        bboxes: (T, 4) float64 xyxy around all of it, cut at the image; zero where it is outside.
        areas: (T,) pixels seen of it.
        visible: (T,) part of it that is seen.
        inside: (T,) part of its whole box that lies in the image.
        blur: (T,) pixels that it moves while a frame is exposed.
        turn: (T,) radians, its rotation.
        light: (T,) brightness of the frames.
    """

    label: int
    frames: range
    bboxes: NDArray[np.float64]
    areas: NDArray[np.int64]
    visible: NDArray[np.float64]
    inside: NDArray[np.float64]
    blur: NDArray[np.float64]
    turn: NDArray[np.float64]
    light: NDArray[np.float64]


def choose_target(source: VideoSource, rng: np.random.Generator, stays: bool) -> Target:
    """Choose an object that is well visible at first.

    The sequence begins with the first frame that shows any object well; as a rule the first one.
    Where no frame does, it begins when an object is seen best.

    Args:
        source: The video.
        rng: Chooses among the objects that are seen for long enough.
        stays: The sequence ends when the target leaves the image, for formats that cannot say
            that there is no target.

    Raises:
        InputError: No object is ever seen well enough to be annotated.
    """
    truths = [_Glance.of(source.truth_of(frame)) for frame in range(source.num_frames)]
    shown = np.stack([np.where(glance.annotated, glance.visible, 0) for glance in truths])
    clear = shown >= min(_WELL_VISIBLE, shown.max(initial=0))
    if not shown.any():
        raise InputError(
            "no object is ever seen well enough to be a target: ask for larger or more frames, or "
            "for fewer things that hide it."
        )
    first = int(clear.any(axis=1).argmax())
    present = np.stack([glance.present for glance in truths])[first:]
    seen = np.stack([glance.annotated for glance in truths])[first:]
    stay = np.where(present.all(axis=0), len(present), present.argmin(axis=0))
    lasting = stay if stays else seen.sum(axis=0)
    candidates = np.flatnonzero(clear[first])
    candidates = candidates[lasting[candidates] >= _ENOUGH * lasting[candidates].max()]
    chosen = int(rng.choice(candidates))
    frames = range(first, first + int(stay[chosen]) if stays else source.num_frames)
    own = [truths[frame] for frame in frames]
    names = ("bboxes", "areas", "visible", "inside", "blur", "turn")
    columns = {name: np.stack([getattr(glance, name)[chosen] for glance in own]) for name in names}
    light = np.array([glance.light for glance in own])
    return Target(label=int(source.labels[chosen]), frames=frames, light=light, **columns)


@dataclass(frozen=True)
class _Glance:
    """What is kept of a frame: everything but its layers, for N objects."""

    annotated: NDArray[np.bool_]
    present: NDArray[np.bool_]
    bboxes: NDArray[np.float64]
    areas: NDArray[np.int64]
    visible: NDArray[np.float64]
    inside: NDArray[np.float64]
    blur: NDArray[np.float64]
    turn: NDArray[np.float64]
    light: float

    @classmethod
    def of(cls, truth: FrameTruth) -> _Glance:
        height, width = truth.layers.shape
        boxes = truth.whole_bboxes.astype(np.float64).clip(0, (width, height, width, height))
        present = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= _PRESENT
        boxes[~present] = 0
        annotated = np.zeros(len(boxes), bool)
        annotated[truth.annotated] = True
        return cls(
            annotated=annotated,
            present=present,
            bboxes=boxes,
            areas=truth.areas,
            visible=truth.visible,
            inside=truth.inside,
            blur=truth.blur.astype(np.float64),
            turn=np.arctan2(truth.motion[:, 1, 0], truth.motion[:, 0, 0]),
            light=truth.light,
        )
