"""Frames with their tracks as a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from vovtrack.structures import Tracks
from vovtrack.visualization.draw import TrackHistory, draw_tracks
from vovtrack.visualization.video_writer import VideoWriter

DEFAULT_FPS = 25.0
"""Of a video whose frames have no rate of their own, such as images of a folder."""


class DrawnVideo:
    """Draws tracks with trails into a video.

    Args:
        path: Video file.
        fps: Frames per second; None for ``DEFAULT_FPS``.
        history: Knows the classes of the tracks; None lets each frame vote when it is drawn.
        keep: Keep the beginning whatever ends the run, see :class:`VideoWriter`.
        time_base: As of :class:`VideoWriter`, like those that follow.
        pixel_aspect: Width of a pixel by its height.
        audio: File whose sound belongs to the frames.

    Attributes:
        unfinished: Where it grows.
        notes: What the user should know about it.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None,
        *,
        history: TrackHistory | None = None,
        keep: bool = False,
        time_base: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
        audio: str | Path | None = None,
    ) -> None:
        self.video = VideoWriter(
            path,
            fps or DEFAULT_FPS,
            keep=keep,
            time_base=time_base,
            pixel_aspect=pixel_aspect,
            audio=audio,
        )
        self.unfinished, self.notes = self.video.unfinished, self.video.notes
        self._votes = history is None
        self.history = TrackHistory() if history is None else history

    def write(self, frame: np.ndarray, tracks: Tracks, time: float | None = None) -> None:
        """Draw one frame, (H, W, 3) uint8 RGB, which is shown from second ``time`` on."""
        self.history.move(tracks.track_ids, tracks.bboxes)
        if self._votes:
            self.history.vote(tracks.track_ids, tracks.labels)
        columns = (tracks.bboxes, tracks.track_ids, tracks.labels, tracks.scores)
        drawn = draw_tracks(frame, *columns, names=tracks.names, history=self.history)
        self.video.write(drawn, time)

    def finish(self) -> None:
        """End the video with the last frame that was drawn."""
        self.video.finish()

    def discard(self) -> None:
        """Remove the video."""
        self.video.discard()
