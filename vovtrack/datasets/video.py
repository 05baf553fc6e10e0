"""Frames of a video file, a folder of images, a camera or an array, one after the other.

Frames are decoded ahead by one background thread into a small queue, so memory does not grow
with the length of the source and the network does not wait for the disk.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from vovtrack.datasets.video_file import Item, decode, read_facts
from vovtrack.errors import InputError, one_of
from vovtrack.files.images import IMAGE_SUFFIXES, read_image
from vovtrack.files.targets import mark_input

FRAMES_AHEAD = 4
STOP_TIMEOUT = 5.0
"""Seconds that a reader waits for its decoding thread; a dead camera may block it for ever."""
TimedFrame = tuple[np.ndarray, float | None]
"""A frame and its second."""
BadFramePolicy = Literal["error", "skip"]


@dataclass
class FrameSource:
    """A source of frames; iterating yields RGB uint8 arrays (H, W, 3), all of one size.

    Files, folders and lists start again at each iteration; cameras and generators run only once.

    Attributes:
        name: What the user gave.
        read: Opens the source and yields its frames and what is wrong with the unreadable ones.
        width: Of the frames in pixels.
        height: Of the frames in pixels.
        fps: Frames per second, None if the source has no rate.
        num_frames: Number of frames, None if it is not known ahead.
        time_base: Unit of the frames' times in seconds, None if they have none.
        pixel_aspect: Width of a pixel by its height.
        audio: File whose sound belongs to the frames, if there is any.
        once: Whether it can be iterated only once.
        on_bad_frame: ``error`` or ``skip``.
        max_frames: Stop after so many frames.
        bad_frames: Unreadable frames that the present iteration has skipped.
    """

    name: str
    read: Callable[[], Iterator[Item]] = field(repr=False)
    width: int
    height: int
    fps: float | None = None
    num_frames: int | None = None
    time_base: Fraction | None = None
    pixel_aspect: Fraction = Fraction(1)
    audio: Path | None = None
    once: bool = False
    on_bad_frame: BadFramePolicy = "error"
    max_frames: int | None = None
    bad_frames: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[np.ndarray]:
        with closing(self.timed()) as timed:
            for frame, _ in timed:
                yield frame

    def timed(self) -> Generator[TimedFrame, None, None]:
        """Frames, each with its second since the start of the video; None where it has no time."""
        self.bad_frames.clear()
        return _ahead(islice(self._good_frames(), self.max_frames))

    def _good_frames(self) -> Iterator[TimedFrame]:
        for place, frame, time in self.read():
            if isinstance(frame, str):
                problem = frame
            elif misfit := self._misfit(frame):
                problem = misfit
            else:
                yield frame, time
                continue
            if self.on_bad_frame == "skip":
                self.bad_frames.append(f"{place} {problem}")
            else:
                raise InputError(
                    f"{place} {problem}. Such frames are left out with on_bad_frame='skip' "
                    "(--on-bad-frame skip)."
                )

    def _misfit(self, frame: np.ndarray) -> str | None:
        height, width = frame.shape[:2]
        if (width, height) == (self.width, self.height):
            return None
        return f"is {width}x{height}, the first is {self.width}x{self.height}"


def read_video(
    source: str | Path | int | Iterable[np.ndarray],
    on_bad_frame: BadFramePolicy = "error",
    max_frames: int | None = None,
) -> FrameSource:
    """Open a source of frames.

    Args:
        source: Video file (any codec PyAV reads; turned upright as its header says), folder of
            images in natural order, camera number, URL, or RGB uint8 arrays (H, W, 3).
        on_bad_frame: ``skip`` leaves out unreadable or damaged frames and those of another size,
            and lists them in ``bad_frames``; ``error`` stops there.
        max_frames: Stop after so many frames.

    Raises:
        InputError: No such source, not a video, no frames; while iterating: an unreadable frame
            or frames of different sizes, named, or a file that ends before its header says.
    """
    one_of("on_bad_frame", on_bad_frame, ("error", "skip"))
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames is {max_frames}, expected 1 or more.")
    opened = _open(source)
    opened.on_bad_frame, opened.max_frames = on_bad_frame, max_frames
    return opened


def _open(source: str | Path | int | Iterable[np.ndarray]) -> FrameSource:
    if isinstance(source, int) or (isinstance(source, str) and source.isdecimal()):
        return _open_camera(int(source), f"camera {source}")
    if isinstance(source, (str, Path)):
        if "://" in str(source):
            return _open_camera(str(source), str(source))
        path = Path(source)
        if path.is_dir():
            return _open_folder(path)
        if path.is_file():
            return _open_file(path)
        raise InputError(f"There is no video, folder or camera '{source}'.")
    if not isinstance(source, Iterable):
        raise InputError(f"A {type(source).__name__} is not a source of frames.")
    return _open_arrays(source)


def _open_arrays(arrays: Iterable[np.ndarray]) -> FrameSource:
    iterator = iter(arrays)
    first = next(iterator, None)
    if first is None:
        raise InputError("The given sequence of frames is empty.")

    def items(frames: Iterable[np.ndarray]) -> Iterator[Item]:
        for index, frame in enumerate(frames):
            yield f"frame {index}", _checked_array(frame, index), None

    height, width = _checked_array(first, 0).shape[:2]
    if iterator is arrays:  # a generator: what was taken from it must be put back
        read = _only_once("generator", items(chain([first], iterator)))
        return FrameSource("arrays", read, width, height, once=True)
    num_frames = len(arrays) if isinstance(arrays, Sized) else None
    return FrameSource("arrays", lambda: items(arrays), width, height, num_frames=num_frames)


def _checked_array(frame: np.ndarray, index: int) -> np.ndarray:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape[2:] != (3,):
        found = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}"
        raise InputError(f"Frame {index} is {found}, expected a uint8 array (H, W, 3), RGB.")
    return frame


def _open_folder(folder: Path) -> FrameSource:
    paths = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()),
        key=_natural_key,
    )
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"Folder '{folder}' holds no images ({kinds}).")

    for path in paths:
        mark_input(path, "a frame of the source")

    def read() -> Iterator[Item]:
        for path in paths:
            try:
                yield str(path), cv2.cvtColor(read_image(path), cv2.COLOR_BGR2RGB), None
            except InputError:
                yield str(path), "is not a readable image", None

    width, height = _size_of_first(
        read(), f"None of the {len(paths)} images of '{folder}' can be read."
    )
    return FrameSource(str(folder), read, width, height, num_frames=len(paths))


def _open_file(path: Path) -> FrameSource:
    mark_input(path, "the source")
    frames = decode(path)
    width, height = _size_of_first(frames, f"Video '{path}' has no frames that can be decoded.")
    frames.close()
    facts = read_facts(path, (width, height))
    return FrameSource(str(path), lambda: decode(path), width, height, **facts)


def _open_camera(device: int | str, name: str) -> FrameSource:
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        raise InputError(f"{name} cannot be opened.")

    def items() -> Iterator[Item]:
        index = 0
        try:
            while True:
                readable, frame = capture.read()
                if not readable:
                    return
                yield f"{name}, frame {index}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), None
                index += 1
        finally:
            capture.release()

    return FrameSource(
        name,
        _only_once(name, items()),
        width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        fps=capture.get(cv2.CAP_PROP_FPS) or None,
        once=True,
    )


def _only_once(name: str, items: Iterator[Item]) -> Callable[[], Iterator[Item]]:
    """Let a source that cannot start again refuse a second reading instead of being empty."""
    unread = [items]

    def read() -> Iterator[Item]:
        if not unread:
            raise InputError(f"The frames of {name} can be read only once: open it again.")
        return unread.pop()

    return read


def _size_of_first(items: Iterator[Item], none: str) -> tuple[int, int]:
    """(width, height) of the first readable frame; ``none`` is the error if there is none."""
    for _, frame, _ in items:
        if isinstance(frame, np.ndarray):
            return frame.shape[1], frame.shape[0]
    raise InputError(none)


def _natural_key(path: Path) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


class _Failure:
    """Carries an exception of the decoding thread to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def _ahead(frames: Iterable[TimedFrame]) -> Generator[TimedFrame, None, None]:
    """Iterate in a background thread, at most ``FRAMES_AHEAD`` items ahead of the consumer."""
    ready: queue.Queue = queue.Queue(maxsize=FRAMES_AHEAD)
    stopped = threading.Event()

    def offer(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def decode() -> None:
        try:
            for frame in frames:
                if not offer(frame):
                    return
            offer(_END)
        except BaseException as error:  # handed to the consumer, who raises it
            offer(_Failure(error))

    worker = threading.Thread(target=decode, name="frame decoder", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        worker.join(STOP_TIMEOUT)
