"""Decoding a video file frame by frame, with what its header says of it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.images import check_pixels

DURATION_TOLERANCE = 0.5
"""Seconds by which a video may end before the time that its header announces."""
Item = tuple[str, np.ndarray | str, float | None]
"""Where a frame comes from, the frame or a text that says what is wrong with it, its second."""


def read_facts(path: Path, size: tuple[int, int]) -> dict[str, Any]:
    """What the header says, as arguments of :class:`vovtrack.datasets.video.FrameSource`.

    Args:
        path: The file.
        size: (width, height) of its first frame, upright.
    """
    container, stream = _open(path)
    with container:
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        is_turned = size == (stream.height, stream.width) != size[::-1]
        return dict(
            fps=float(stream.average_rate) if stream.average_rate else None,
            num_frames=stream.frames or None,
            time_base=stream.time_base,
            pixel_aspect=1 / aspect if is_turned else aspect,
            audio=path if container.streams.audio else None,
        )


def decode(path: Path) -> Generator[Item, None, None]:
    """Decode packet by packet, so that what follows a damaged packet is not lost with it.

    Raises:
        InputError: The file is not a readable video.
    """
    container, stream = _open(path)
    with container:
        yield from _decode(path, container, stream)


def _decode(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[Item]:
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
            yield place, f"cannot be decoded ({error.strerror})", None
            index += 1
            continue
        for frame in frames:
            place = f"{path}, frame {index}"
            # The decoder paints over missing parts and tells only by this flag.
            yield place, "is damaged" if frame.is_corrupt else _upright(frame), _time(frame, stream)
            index += 1
    missing = _missing(stream, num_packets, end)
    if missing:
        yield f"{path}, frame {index}", missing, None


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


def _time(frame: av.VideoFrame, stream: av.VideoStream) -> float | None:
    """Second of a frame since the start of its stream."""
    if frame.pts is None or stream.time_base is None:
        return None
    return float((frame.pts - (stream.start_time or 0)) * stream.time_base)


def _open(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"'{path}' is not a readable video: {error}.") from None
    stream = next(iter(container.streams.video), None)
    if stream is None or stream.codec_context is None:
        container.close()
        raise InputError(f"'{path}' has no video stream that can be decoded; is it complete?")
    stream.thread_type = "AUTO"
    check_pixels(stream.codec_context.width, stream.codec_context.height, path)
    return container, stream
