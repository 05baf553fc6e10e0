"""Writing frames to a video file."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from vovtrack.errors import InputError

SUFFIXES = {".mp4", ".mkv", ".mov", ".avi"}
CODECS = ("libx264", "mpeg4")
"""In order of preference; not every build of FFmpeg has the first."""


def available_codec() -> str:
    """The best of ``CODECS`` that this build of FFmpeg has."""
    return next(name for name in CODECS if name in av.codecs_available)


class VideoWriter:
    """Writes RGB frames to a video that appears under its name when it is complete.

    Use as a context manager; leaving it by an error removes what was written.

    Args:
        path: The file; its suffix chooses the container.
        fps: Frames per second.

    Raises:
        InputError: Unknown suffix, a folder that cannot be written to, or frames of different
            sizes.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            known = ", ".join(sorted(SUFFIXES))
            raise InputError(f"Video '{path}' needs one of the suffixes {known}.")
        self.fps = Fraction(fps).limit_denominator(1001)
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
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

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._container is None:
            if self._part.exists():
                self._part.unlink()
            return
        try:
            with self._container:
                if kind is None:
                    self._encode(None)
            if kind is None:
                with self._part.open("rb") as written:
                    os.fsync(written.fileno())
                os.replace(self._part, self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def _start(self, frame: np.ndarray) -> None:
        self._size = frame.shape[:2]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            container = av.open(str(self._part), "w")
        except OSError as error:
            raise InputError(f"Video '{self.path}' cannot be written: {error.strerror}.") from None
        stream = container.add_stream(available_codec(), rate=self.fps)
        stream.height, stream.width = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        # Only now: an interruption before this line leaves nothing half made to finish.
        self._container, self._stream = container, stream

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
