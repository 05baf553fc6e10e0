"""Driving a tracker through a video: every frame gets its tracks, whenever they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from vovtrack.datasets.video import FrameSource, TimedFrame
from vovtrack.engine.online import OnlineTracker
from vovtrack.errors import InputError
from vovtrack.structures import Tracks

HELD_BYTES = 1 << 28
"""Of frames that wait for their tracks; about 40 of them in full HD."""


class OwedFrames:
    """Frames of a source whose tracks are still owed, in order.

    Of a frame that is to be drawn the pixels wait in memory. Where a tracker owes more frames than
    may wait, all of them are let go and read from the source a second time, when it is their turn.

    Args:
        source: Where the frames come from.
        drawn: Whether anybody wants their pixels.
        batch_size: Frames that are tracked at once; so many may always wait.
        held_bytes: Memory that waiting frames may take.
    """

    def __init__(
        self, source: FrameSource, drawn: bool, batch_size: int = 1, held_bytes: int = HELD_BYTES
    ) -> None:
        self._source = source
        self._limit = max(batch_size, held_bytes // (3 * source.width * source.height))
        self._times: deque[float | None] = deque()
        self._held: deque[np.ndarray] | None = deque() if drawn else None
        self._second: Generator[TimedFrame, None, None] | None = None
        self._num_taken = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, frame: np.ndarray, time: float | None) -> None:
        """Let the next frame wait.

        Raises:
            InputError: It is one too many, and the source cannot be read a second time.
        """
        if self._held is not None and len(self._held) == self._limit:
            self._read_again()
        if self._held is not None:
            self._held.append(frame)
        self._times.append(time)

    def take(self) -> tuple[np.ndarray | None, float | None]:
        """The first frame that waits, None where nobody wants its pixels, and its second."""
        self._num_taken += 1
        time = self._times.popleft()
        if self._second is not None:
            return self._next_of(self._second), time
        return (self._held.popleft() if self._held is not None else None), time

    def close(self) -> None:
        """Stop reading."""
        if self._second is not None:
            self._second.close()

    def _read_again(self) -> None:
        if self._source.once:
            raise InputError(
                f"The tracker gives its tracks more than {self._limit} frames late, and "
                f"{self._source.name} cannot be read a second time to draw them: leave out the "
                "drawn video (--out), or record the video first."
            )
        self._held = None
        self._second = replace(self._source, bad_frames=[]).timed()
        for _ in islice(self._second, self._num_taken):
            pass

    def _next_of(self, frames: Iterator[TimedFrame]) -> np.ndarray:
        try:
            return next(frames)[0]
        except StopIteration:
            raise InputError(
                f"'{self._source.name}' has become shorter while it was tracked."
            ) from None


def track_frames(
    tracker: OnlineTracker,
    batches: Iterator[list[TimedFrame]],
    owed: OwedFrames,
    done: Callable[[int], object] = lambda count: None,
) -> Iterator[tuple[np.ndarray | None, float | None, Tracks]]:
    """Drive a tracker that was started through the frames of a video.

    Args:
        tracker: It may give its tracks at once, later, or after the last frame.
        batches: The frames. If they end with an InputError, the tracks still owed come before it
            is raised.
        owed: Where frames wait for their tracks.
        done: Called with the number of frames that the tracker was given.

    Yields:
        All frames in order, each with its second and its tracks, see :meth:`OwedFrames.take`.

    Raises:
        ValueError: The tracker breaks its contract.
    """
    for expected, tracks in enumerate(_answers(tracker, batches, owed, done)):
        if tracks.frame_id != expected or not owed:
            due = f"those of frame {expected} are next" if owed else "none are owed"
            raise ValueError(
                f"{type(tracker).__name__} gave the tracks of frame {tracks.frame_id}; {due}."
            )
        yield *owed.take(), tracks
    if owed:
        raise ValueError(f"{type(tracker).__name__} owes the tracks of {len(owed)} frames.")


def _answers(
    tracker: OnlineTracker,
    batches: Iterator[list[TimedFrame]],
    owed: OwedFrames,
    done: Callable[[int], object],
) -> Iterator[Tracks]:
    failure = None
    try:
        for batch in batches:
            for frame, time in batch:
                owed.add(frame, time)
            found = tracker.step_batch([frame for frame, _ in batch])
            done(len(batch))
            yield from (tracks for tracks in found if tracks is not None)
    except InputError as error:
        failure = error
    yield from tracker.finish()
    if failure is not None:
        raise failure
