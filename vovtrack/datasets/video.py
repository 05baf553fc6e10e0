"""Frames of a video file, a folder of images, a camera or an array, one after the other.

Frames are decoded ahead by one background thread into a small queue, so memory does not grow
with the length of the source and the network does not wait for the disk.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.images import check_pixels, read_image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
FRAMES_AHEAD = 4
DURATION_TOLERANCE = 0.5
"""Seconds by which a video may end before the time that its header announces."""
STOP_TIMEOUT = 5.0
"""Seconds that a reader waits for its decoding thread; a dead camera may block it for ever."""
BadFramePolicy = Literal["error", "skip"]
Item = tuple[str, np.ndarray | str]
"""Where a frame comes from, and the frame; a text in its place says what is wrong with it."""


@dataclass
class FrameSource:
    """A source of frames; iterating yields RGB uint8 arrays (H, W, 3), all of one size.

    Files, folders and lists start anew at each iteration; cameras and generators run only once.

    Attributes:
        name: What the user gave.
        read: Opens the source and yields its frames and what is wrong with the unreadable ones.
        width: Of the frames in pixels.
        height: Of the frames in pixels.
        fps: Frames per second, None if the source has no rate.
        num_frames: Number of frames, None if it is not known ahead.
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
    on_bad_frame: BadFramePolicy = "error"
    max_frames: int | None = None
    bad_frames: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[np.ndarray]:
        self.bad_frames.clear()
        return _ahead(islice(self._good_frames(), self.max_frames))

    def _good_frames(self) -> Iterator[np.ndarray]:
        for place, frame in self.read():
            problem = frame if isinstance(frame, str) else self._misfit(frame)
            if problem is None:
                yield frame
            elif self.on_bad_frame == "skip":
                self.bad_frames.append(f"{place} {problem}")
            else:
                raise InputError(
                    f"{place} {problem}. Use --on-bad-frame skip to leave such frames out."
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
    if on_bad_frame not in ("error", "skip"):
        raise InputError(f"on_bad_frame is {on_bad_frame!r}, expected 'error' or 'skip'.")
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
        raise InputError(f"A {type(source).__name__} is no source of frames.")
    return _open_arrays(source)


def _open_arrays(arrays: Iterable[np.ndarray]) -> FrameSource:
    iterator = iter(arrays)
    first = next(iterator, None)
    if first is None:
        raise InputError("The given sequence of frames is empty.")

    def items(frames: Iterable[np.ndarray]) -> Iterator[Item]:
        for index, frame in enumerate(frames):
            yield f"frame {index}", _checked_array(frame, index)

    height, width = _checked_array(first, 0).shape[:2]
    if iterator is arrays:  # a generator: what was taken from it must be put back
        read = _only_once("generator", items(chain([first], iterator)))
        return FrameSource("arrays", read, width, height)
    num_frames = len(arrays) if hasattr(arrays, "__len__") else None
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

    def read() -> Iterator[Item]:
        for path in paths:
            try:
                yield str(path), cv2.cvtColor(read_image(path), cv2.COLOR_BGR2RGB)
            except InputError:
                yield str(path), "is not a readable image"

    width, height = _size_of_first(
        read(), f"None of the {len(paths)} images of '{folder}' can be read."
    )
    return FrameSource(str(folder), read, width, height, num_frames=len(paths))


def _open_file(path: Path) -> FrameSource:
    def read() -> Iterator[Item]:
        container, stream = _open_stream(path)
        with container:
            yield from _decode(path, container, stream)

    container, stream = _open_stream(path)
    with container:
        fps = float(stream.average_rate) if stream.average_rate else None
        num_frames = stream.frames or None
    width, height = _size_of_first(read(), f"Video '{path}' has no frames that can be decoded.")
    return FrameSource(str(path), read, width, height, fps, num_frames)


def _open_stream(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"'{path}' is no video that can be read: {error}.") from None
    stream = next(iter(container.streams.video), None)
    if stream is None or stream.codec_context is None:
        container.close()
        raise InputError(f"'{path}' has no video stream that can be decoded; is it complete?")
    stream.thread_type = "AUTO"
    check_pixels(stream.codec_context.width, stream.codec_context.height, path)
    return container, stream


def _decode(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[Item]:
    """Decode packet by packet, so that what follows a damaged packet is not lost with it."""
    index = num_packets = 0
    end = 0.0
    packets = container.demux(stream)
    while True:
        place = f"{path}, frame {index}"
        try:
            packet = next(packets, None)
            if packet is None:
                break
            if packet.size:  # the last packet of all is empty: it flushes the decoder
                num_packets += 1
                end = max(end, _end_of(packet))
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            yield place, f"cannot be decoded ({error.strerror})"
            index += 1
            continue
        for frame in frames:
            place = f"{path}, frame {index}"
            # The decoder paints over missing parts and tells only by this flag.
            yield place, "is damaged" if frame.is_corrupt else _upright(frame)
            index += 1
    missing = _missing(stream, num_packets, end)
    if missing:
        yield f"{path}, frame {index}", missing


def _end_of(packet: av.Packet) -> float:
    """Second at which the frame of a packet ends; 0 if the packet bears no time."""
    if packet.pts is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _missing(stream: av.VideoStream, num_packets: int, end: float) -> str | None:
    """What the header of a file announces and the file does not hold.

    Packets are counted and not frames: a cut may tell the decoder to drop some of them.
    """
    if num_packets < stream.frames:
        return f"or later is missing: the file ends after {num_packets} of {stream.frames} frames"
    # Matroska counts no frames but notes the time at which the stream ends.
    noted = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if noted is None:
        return None
    hours, minutes, seconds = map(float, noted.groups())
    duration = 3600 * hours + 60 * minutes + seconds
    if end + DURATION_TOLERANCE < duration:
        return f"is missing: the file ends after {end:.1f} of {duration:.1f} seconds"
    return None


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB pixels, turned by the quarter turns that the camera noted in the file."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


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
                yield f"{name}, frame {index}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                index += 1
        finally:
            capture.release()

    return FrameSource(
        name,
        _only_once(name, items()),
        width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        fps=capture.get(cv2.CAP_PROP_FPS) or None,
    )


def _only_once(name: str, items: Iterator[Item]) -> Callable[[], Iterator[Item]]:
    """Let a source that cannot start anew refuse a second reading instead of being empty."""
    unread = [items]

    def read() -> Iterator[Item]:
        if not unread:
            raise InputError(f"The frames of {name} can be read only once: open it again.")
        return unread.pop()

    return read


def _size_of_first(items: Iterator[Item], none: str) -> tuple[int, int]:
    """(width, height) of the first readable frame; ``none`` is the error if there is none."""
    for _, frame in items:
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


def _ahead(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
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
