"""Frames of a video file, a folder of images, a camera or an array, one after the other.

Frames are decoded ahead by one background thread into a small queue, so memory does not grow
with the length of the source and the network does not wait for the disk.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from vovtrack.errors import InputError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
FRAMES_AHEAD = 4
BadFramePolicy = Literal["error", "skip"]


@dataclass
class FrameSource:
    """A source of frames; iterating yields RGB uint8 arrays (H, W, 3).

    Attributes:
        name: What the user gave.
        width: Of the frames in pixels.
        height: Of the frames in pixels.
        fps: Frames per second, None if the source has no rate.
        num_frames: Number of frames, None if it is not known ahead.
        bad_frames: Unreadable frames that were skipped so far.
    """

    name: str
    frames: Iterable[np.ndarray] = field(repr=False)
    width: int
    height: int
    fps: float | None = None
    num_frames: int | None = None
    bad_frames: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[np.ndarray]:
        return _ahead(self.frames)


def read_video(
    source: str | Path | int | Iterable[np.ndarray],
    on_bad_frame: BadFramePolicy = "error",
    max_frames: int | None = None,
) -> FrameSource:
    """Open a source of frames.

    Args:
        source: Video file (any codec PyAV reads), folder of images in natural order, camera
            number, URL, or RGB uint8 arrays (H, W, 3).
        on_bad_frame: ``skip`` leaves out unreadable images of a folder and undecodable frames
            of a video, and lists them in ``bad_frames``; ``error`` stops there.
        max_frames: Stop after so many frames.

    Raises:
        InputError: No such source, not a video, no frames; while iterating: an unreadable frame
            or frames of different sizes, named.
    """
    if on_bad_frame not in ("error", "skip"):
        raise InputError(f"on_bad_frame is {on_bad_frame!r}, expected 'error' or 'skip'.")
    opened = _open(source, on_bad_frame)
    if max_frames is not None:
        opened.frames = islice(opened.frames, max_frames)
    return opened


def _open(source: str | Path | int | Iterable[np.ndarray], policy: BadFramePolicy) -> FrameSource:
    if isinstance(source, int) or (isinstance(source, str) and source.isdigit()):
        return _open_camera(int(source), f"camera {source}")
    if isinstance(source, (str, Path)):
        if "://" in str(source):
            return _open_camera(str(source), str(source))
        path = Path(source)
        if path.is_dir():
            return _open_folder(path, policy)
        if path.is_file():
            return _open_file(path, policy)
        raise InputError(f"There is no video, folder or camera '{source}'.")
    return _open_arrays(source)


def _open_arrays(arrays: Iterable[np.ndarray]) -> FrameSource:
    iterator = iter(arrays)
    first = next(iterator, None)
    if first is None:
        raise InputError("The given sequence of frames is empty.")

    def frames() -> Iterator[np.ndarray]:
        yield first
        yield from iterator

    return FrameSource("arrays", frames(), width=first.shape[1], height=first.shape[0])


def _open_folder(folder: Path, policy: BadFramePolicy) -> FrameSource:
    paths = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=_natural_key
    )
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"Folder '{folder}' holds no images ({kinds}).")
    first = next((image for image in map(_read_image, paths) if image is not None), None)
    if first is None:
        raise InputError(f"None of the {len(paths)} images of '{folder}' can be read.")
    height, width = first.shape[:2]
    source = FrameSource(str(folder), (), width, height, num_frames=len(paths))

    def frames() -> Iterator[np.ndarray]:
        for path in paths:
            image = _read_image(path)
            if image is None:
                _report(source, f"{path}", "is no readable image", policy)
            elif image.shape[:2] != (height, width):
                size = f"{image.shape[1]}x{image.shape[0]}"
                _report(source, f"{path}", f"is {size}, the first is {width}x{height}", policy)
            else:
                yield image

    source.frames = frames()
    return source


def _open_file(path: Path, policy: BadFramePolicy) -> FrameSource:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"'{path}' is no video that can be read: {error}.") from None
    stream = next(iter(container.streams.video), None)
    if stream is None or stream.codec_context is None:
        raise InputError(f"'{path}' has no video stream that can be decoded; is it complete?")
    stream.thread_type = "AUTO"
    expected = stream.frames or None
    source = FrameSource(
        str(path),
        (),
        width=stream.width,
        height=stream.height,
        fps=float(stream.average_rate) if stream.average_rate else None,
        num_frames=expected,
    )

    def frames() -> Iterator[np.ndarray]:
        count = 0
        with container:
            try:
                for frame in container.decode(stream):
                    count += 1
                    yield frame.to_ndarray(format="rgb24")
            except av.FFmpegError as error:
                _report(source, f"{path}, frame {count}", f"cannot be decoded ({error})", policy)
        if count == 0:
            raise InputError(f"Video '{path}' has no frames.")
        if expected is not None and count < expected and not source.bad_frames:
            place = f"{path}, frame {count}"
            _report(source, place, f"is missing: the file announces {expected} frames", policy)

    source.frames = frames()
    return source


def _open_camera(device: int | str, name: str) -> FrameSource:
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        raise InputError(f"{name} cannot be opened.")

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                readable, frame = capture.read()
                if not readable:
                    return
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    return FrameSource(
        name,
        frames(),
        width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        fps=capture.get(cv2.CAP_PROP_FPS) or None,
    )


def _report(source: FrameSource, place: str, problem: str, policy: BadFramePolicy) -> None:
    if policy == "error":
        raise InputError(f"{place} {problem}. Use --on-bad-frame skip to leave such frames out.")
    source.bad_frames.append(f"{place} {problem}")


def _read_image(path: Path) -> np.ndarray | None:
    # Decoding from memory: OpenCV's own file reader writes its complaints to stderr.
    image = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _natural_key(path: Path) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


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
        worker.join()
