"""The sound of a video, copied as it is to the video that was drawn from it."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av


class AudioCopy:
    """Copies the first audio stream of a file, packet by packet, as far as the pictures have come.

    Args:
        source: The file.
        container: Where to; nothing was written to it yet.

    Attributes:
        problem: Why the sound cannot be copied; None if it can.
    """

    def __init__(self, source: Path, container: av.container.OutputContainer) -> None:
        self._input = av.open(str(source))
        audio = self._input.streams.audio[0]
        codec = audio.codec_context.codec.canonical_name if audio.codec_context else "unknown"
        self.problem: str | None = None
        if codec not in container.supported_codecs:
            self.problem = f"{container.format.name} cannot hold {codec} sound: it is left out"
            self.close()
            return
        video = self._input.streams.video[0]
        assert video.time_base and audio.time_base, "streams of an opened file have units of time"
        start = (video.start_time or 0) * video.time_base
        self._shift = round(start / audio.time_base)
        self._stream = container.add_stream_from_template(audio)
        self._output = container
        # Matroska counts from a packet with which the decoder warms up; the others from zero.
        self._warm_up = 1 if container.format.name == "matroska" else 0
        self._packets = self._input.demux(audio)
        self._next = self._read()

    def until(self, second: float) -> None:
        """Copy what is heard before a second of the video."""
        while self._next is not None and self._next[0] < second:
            packet = self._next[1]
            packet.stream = self._stream
            self._output.mux(packet)
            self._next = self._read()

    def close(self) -> None:
        """Close the source."""
        self._next = None
        self._input.close()

    def _read(self) -> tuple[Fraction, av.Packet] | None:
        """The second and data of the next packet, in the time of the pictures; damage ends it."""
        with suppress(av.FFmpegError):
            for packet in self._packets:
                if packet.pts is None or packet.dts is None:
                    continue
                duration = packet.duration or 0
                if packet.dts + (self._warm_up + 0.5) * duration < self._shift:
                    continue
                earliest = -self._warm_up * duration
                packet.pts = max(packet.pts - self._shift, earliest)
                packet.dts = max(packet.dts - self._shift, earliest)
                return packet.pts * packet.time_base, packet
        return None
