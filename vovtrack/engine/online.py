"""The contract of tracking frame by frame: what the command line and users' Python drive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.structures import Target, Tracks


class OnlineTracker(ABC):
    """Follows objects through a video that comes frame by frame.

    A video is one :meth:`start`, a :meth:`step` for *every* frame, the first included, and one
    :meth:`finish`. In return every frame has its :class:`Tracks` exactly once, in frame order:

    - an *immediate* tracker returns them from the step of the frame,
    - a *delayed* one returns None for some frames, later the tracks of earlier frames, and the
      rest from ``finish``,
    - an *offline* one returns all of them from ``finish``.

    A config names its tracker as ``online=dict(type=..., ...)``, a class in ``TASK_UTILS``.
    :mod:`vovtrack.engine.load` builds it, and where the config has a ``model`` adds those of two
    arguments that the class takes: ``model``, the network with its weights in evaluation mode and
    on its device, and ``pipeline``, the
    :class:`vovtrack.datasets.frame_pipeline.FramePipeline` that makes its input from a frame.

    Of points to follow, see :mod:`vovtrack.engine.points`.

    Attributes:
        draw_threshold: Score above which a track is worth showing, and a point is visible.
        settings: What of the tracker decides its numbers, ready for JSON; a test records it.
    """

    draw_threshold: float = 0.0
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The class names in use; labels of tracks index them. They may change at ``start``."""

    @abstractmethod
    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Begin a video; one that is under way is dropped with the tracks still owed.

        The tracker sees the first frame, so that it can look at its target there. The frame counts
        only when it is given to :meth:`step` again. A tracker whose target is not in the first
        frame, such as class names, needs no frame here, and may be stepped without a start.

        Args:
            frame: The first frame, (H, W, 3) uint8 RGB; None before it is known.
            target: What to follow, see :meth:`Target.only`; None for what the tracker follows by
                itself, or followed before.

        Raises:
            InputError: A kind of target that this tracker cannot use, or none where it needs one.
        """

    @abstractmethod
    def step(self, frame: np.ndarray) -> Tracks | None:
        """Take the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            The tracks of the first frame that is still owed, this one or an earlier one, or None
            if they come later.

        Raises:
            InputError: Not such a frame.
        """

    def step_batch(self, frames: Sequence[np.ndarray]) -> Sequence[Tracks | None]:
        """Take the next frames, in order; what :meth:`step` returns for each of them."""
        return [self.step(frame) for frame in frames]

    def finish(self) -> Iterable[Tracks]:
        """End the video.

        Returns:
            The tracks still owed, in frame order; all of them must be taken. Trackers that owe
            none return nothing.
        """
        return ()


def frame_size(frame: np.ndarray, number: int) -> tuple[int, int]:
    """(width, height) of a frame.

    Args:
        frame: What was given as a frame.
        number: Its index, for the message.

    Raises:
        InputError: It is not (H, W, 3) uint8.
    """
    is_bytes = isinstance(frame, np.ndarray) and frame.dtype == np.uint8
    if not (is_bytes and frame.shape[2:] == (3,) and frame.size > 0):
        found = f"{getattr(frame, 'dtype', type(frame))} {getattr(frame, 'shape', '')}"
        raise InputError(f"Frame {number} is {found}, expected a uint8 array (H, W, 3), RGB.")
    return frame.shape[1], frame.shape[0]
