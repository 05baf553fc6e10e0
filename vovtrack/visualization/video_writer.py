"""Writing frames to a video file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import Draft, reported
from vovtrack.files.streams import open_stream

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".avi": "avi"}
"""FFmpeg's name of the container, by suffix."""
CODECS = ("libx264", "mpeg4")
"""In order of preference; not every build of FFmpeg has the first."""
READABLE_EVERY = 1.0
"""Seconds of video after which an unfinished file can be played up to there."""


def available_codec() -> str:
    """The best of ``CODECS`` that this build of FFmpeg has."""
    return next(name for name in CODECS if name in av.codecs_available)


class VideoWriter:
    """Writes RGB frames to a video that appears under its name when it is complete.

    Use as a context manager, or call :meth:`finish` or :meth:`discard` at the end.

    Args:
        path: The file; its suffix chooses the container.
        fps: Frames per second.
        keep: Whether the frames that were written are kept when the block is left by an error, and
            stay in a file beside ``path`` when the process is killed.

    Raises:
        InputError: Unknown suffix, a place that must not be written to, a video that another run
            is writing with ``keep``, or frames of different sizes.
        WriteError: The folder cannot be written to, or the disk is full.
    """

    def __init__(self, path: str | Path, fps: float, keep: bool = False) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in CONTAINERS:
            known = ", ".join(sorted(CONTAINERS))
            raise InputError(f"Video '{path}' needs one of the suffixes {known}.")
        self.fps = Fraction(fps).limit_denominator(1001)
        self.keep = keep
        self._draft = open_stream(path, "wb") if keep else Draft(path, "wb")
        self._container: av.container.OutputContainer | None = None
        self._size: tuple[int, int] | None = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8 RGB."""
        if self._container is None:
            self._start(frame)
        if frame.shape[:2] != self._size:
            raise InputError(f"A frame of '{self.path}' is {frame.shape[:2]}, not {self._size}.")
        # Half-resolution colour wants even sides.
        odd = [(0, side % 2) for side in self._size]
        padded = np.pad(frame, (*odd, (0, 0)), mode="edge")
        self._encode(av.VideoFrame.from_ndarray(padded, format="rgb24"))

    def finish(self) -> None:
        """Give the video its name; without a frame, no file is written."""
        if self._container is None:
            self.discard()
            return
        self._encode(None)
        with self._reported():
            self._container.close()
        self._draft.publish()

    def discard(self) -> None:
        """Remove what was written."""
        if self._container is not None:
            with suppress(OSError, av.FFmpegError):  # what a full disk could not take
                self._container.close()
        self._draft.discard()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or self.keep:
            self.finish()
        else:
            self.discard()

    def _start(self, frame: np.ndarray) -> None:
        self._size = frame.shape[:2]
        kind, options = CONTAINERS[self.path.suffix.lower()], {}
        if kind in ("mp4", "mov"):  # their index stands at the end, where a kill never comes to
            microseconds = int(READABLE_EVERY * 1e6)
            options = {"movflags": "hybrid_fragmented", "frag_duration": str(microseconds)}
        with self._reported():
            container = av.open(self._draft.file, "w", format=kind, options=options)
        stream = container.add_stream(available_codec(), rate=self.fps)
        stream.height, stream.width = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        # Only now: an interruption before this line leaves nothing half made to finish.
        self._container, self._stream = container, stream

    def _encode(self, frame: av.VideoFrame | None) -> None:
        with self._reported():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            if self.keep:
                self._draft.file.flush()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn errors of the disk, which FFmpeg may repeat in its own words, into sentences."""
        try:
            with reported(self.path):
                yield
        except av.FFmpegError as error:
            raise WriteError(f"'{self.path}' cannot be written: {error}.") from error
