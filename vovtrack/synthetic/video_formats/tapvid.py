"""Rendered videos as one pickle in the form of TAP-Vid-DAVIS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vovtrack.files.atomic import atomic_write
from vovtrack.formats.tapvid import video_part, write_truth
from vovtrack.synthetic.video_formats.base import Video, VideoFormat
from vovtrack.synthetic.video_formats.points import check_length, sample_points
from vovtrack.synthetic.video_source import VideoSource

NUM_POINTS = 32
FILE = "tapvid.pkl"


class TapVid(VideoFormat):
    """A dict of videos, each with its pixels, `NUM_POINTS` points, and when they are hidden.

    A hidden point has the place where it would be seen, moved to the rim of the frame if it lies
    outside.
    """

    def places(self, video: Video) -> tuple[Path]:
        """Return its part of the pickle, which is joined with the others in the end."""
        return (video.root.parent / "parts" / f"{video.name}.pickle",)

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and put its part of the pickle aside."""
        check_length(source)
        frames = np.empty((source.num_frames, source.height, source.width, 3), np.uint8)
        truths = []
        for frame in range(source.num_frames):
            frames[frame], truth = source.render(frame)
            truths.append(truth)
        places, visible = sample_points(truths, NUM_POINTS, video.rng()).follow(truths)
        points = (places / (source.width, source.height)).clip(0, 1)
        with atomic_write(self.places(video)[0], "wb") as file:
            file.write(video_part(video.name, frames, points, ~visible))

    def conclude(self, root: Path, videos: Sequence[Video]) -> None:
        """Join the parts."""
        write_truth(root / FILE, (self.places(video)[0].read_bytes() for video in videos))
