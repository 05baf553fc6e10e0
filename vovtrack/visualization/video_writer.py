"""Writing frames to a video file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

import av
import numpy as np

from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import Draft, reported
from vovtrack.files.streams import open_stream
from vovtrack.visualization.audio_copy import AudioCopy

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".avi": "avi"}
"""FFmpeg's name of the container, by suffix."""
Codec = Literal["libx264", "mpeg4", "ffv1"]
CODECS: dict[Codec, dict[str, str]] = {
    "libx264": {"rc-lookahead": "10"},
    "mpeg4": {},
}
"""Options by name, in order of preference; not every build of FFmpeg has the first. What a coder
looks ahead is lost when the process is killed."""
LOSSLESS: Codec = "ffv1"
READABLE_EVERY = 1.0
"""Seconds of video after which an unfinished file can be played up to there."""


MOST_TICKS = 60_000
"""Ticks of a second that every codec can count."""


def available_codec() -> Codec:
    """The best of ``CODECS`` that this build of FFmpeg has."""
    return next(name for name in CODECS if name in av.codecs_available)


class _Coder(NamedTuple):
    """What packs frames; ``size`` is the (height, width) of each."""

    container: av.container.OutputContainer
    stream: av.VideoStream
    size: tuple[int, int]


class VideoWriter:
    """Writes RGB frames to a video that appears under its name when it is complete.

    Use as a context manager, or call :meth:`finish` or :meth:`discard` at the end.

    Args:
        path: The file; its suffix chooses the container.
        fps: Frames per second, of frames that come without a time.
        keep: Whether the frames that were written are kept when the block is left by an error, and
            stay in a file beside ``path`` when the process is killed.
        time_base: Unit of the times that frames come with, in seconds; None if they have none.
        pixel_aspect: Width of a pixel by its height.
        audio: Video file whose sound is copied, as far as the frames reach.
        lossless: Whether every pixel keeps its value (FFV1, in ``.mkv`` alone).

    Attributes:
        notes: Sentences on what the file cannot hold.
        unfinished: Where it grows.

    Raises:
        InputError: Unknown suffix, a place that must not be written to, a video that another run
            is writing with ``keep``, or frames of different sizes.
        WriteError: The folder cannot be written to, or the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        keep: bool = False,
        *,
        time_base: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
        audio: str | Path | None = None,
        lossless: bool = False,
    ) -> None:
        self.path = Path(path)
        if lossless and self.path.suffix.lower() != ".mkv":
            raise InputError(f"Video '{path}' needs the suffix .mkv, to be without loss.")
        if self.path.suffix.lower() not in CONTAINERS:
            known = ", ".join(sorted(CONTAINERS))
            raise InputError(f"Video '{path}' needs one of the suffixes {known}.")
        self.fps = Fraction(fps).limit_denominator(1001)
        self.keep = keep
        self.lossless = lossless
        self.notes: list[str] = []
        self._kind = CONTAINERS[self.path.suffix.lower()]
        self._tick = _finest(time_base) if time_base and self._kind != "avi" else 1 / self.fps
        self._pixel_aspect, self._audio_source = pixel_aspect, audio
        self._audio: AudioCopy | None = None
        self._last = -1
        self._draft = open_stream(path, "wb") if keep else Draft(path, "wb")
        self.unfinished = self._draft.temporary
        self._coder: _Coder | None = None

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Append a frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            time: When it is shown, seconds since the start; by default after the one before.
                AVI knows only one rate: there times have no effect.
        """
        if self._coder is None:
            self._coder = self._start(frame)
        size = self._coder.size
        if frame.shape[:2] != size:
            raise InputError(f"A frame of '{self.path}' is {frame.shape[:2]}, not {size}.")
        odd = self._padding(size)
        padded = np.pad(frame, (*odd, (0, 0)), mode="edge")
        shown = av.VideoFrame.from_ndarray(padded, format="rgb24")
        shown.pts, shown.time_base = self._place(time), self._tick
        self._encode(self._coder, shown)

    def finish(self) -> None:
        """Give the video its name; without a frame, no file is written."""
        if self._coder is None:
            self.discard()
            return
        self._encode(self._coder, None)
        with self._reported():
            self._close(self._coder)
        self._draft.publish()

    def discard(self) -> None:
        """Remove what was written."""
        if self._coder is not None:
            with suppress(OSError, av.FFmpegError):  # what a full disk could not take
                self._close(self._coder)
        self._draft.discard()

    def _close(self, coder: _Coder) -> None:
        if self._audio is not None:
            self._audio.close()
        coder.container.close()

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

    def _padding(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Rows below and columns beside: colour of half resolution wants even sides."""
        return [(0, 0 if self.lossless else side % 2) for side in size]

    def _place(self, time: float | None) -> int:
        """Number of ticks at which the next frame is shown; it grows with each frame."""
        if time is None or self._kind == "avi":
            place = (
                self._last + max(1, round(1 / (self.fps * self._tick))) if self._last >= 0 else 0
            )
        else:
            place = round(time / self._tick)
        self._last = max(place, self._last + 1)
        return self._last

    def _start(self, frame: np.ndarray) -> _Coder:
        height, width = frame.shape[:2]
        options = {}
        if self._kind in ("mp4", "mov"):  # their index stands at the end, where no kill comes to
            microseconds = int(READABLE_EVERY * 1e6)
            options = {"movflags": "hybrid_fragmented", "frag_duration": str(microseconds)}
        with self._reported():
            container = av.open(self._draft.file, "w", format=self._kind, options=options)
        codec = LOSSLESS if self.lossless else available_codec()
        stream = container.add_stream(codec, rate=self.fps, options=CODECS.get(codec, {}))
        (_, below), (_, beside) = self._padding((height, width))
        stream.height, stream.width = height + below, width + beside
        stream.pix_fmt = "bgr0" if self.lossless else "yuv420p"
        context = stream.codec_context
        context.time_base, context.sample_aspect_ratio = self._tick, self._pixel_aspect
        context.max_b_frames = 0  # they shift the times of a file that can be read when cut short
        if self._audio_source is not None:
            self._audio = AudioCopy(Path(self._audio_source), container)
            self.notes += [f"{self.path}: {self._audio.problem}"] if self._audio.problem else []
        # Kept by the caller: an interruption before leaves nothing half made to finish.
        return _Coder(container, stream, (height, width))

    def _encode(self, coder: _Coder, frame: av.VideoFrame | None) -> None:
        with self._reported():
            for packet in coder.stream.encode(frame):
                coder.container.mux(packet)
            if self._audio is not None:
                self._audio.until(float(self._last * self._tick + 1 / self.fps))
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


def _finest(time_base: Fraction) -> Fraction:
    """A unit of time that codecs can count, as fine as wanted if possible."""
    return max(time_base, Fraction(1, MOST_TICKS))
