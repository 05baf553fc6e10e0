"""Rendered videos as training samples in the layout of TAP-Vid-Kubric, made of MOVi-F."""

from __future__ import annotations

from pathlib import Path

from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder
from vovtrack.formats.kubric import FRAMES, sample_file
from vovtrack.synthetic.video_formats.base import Video, VideoFormat, write_frames
from vovtrack.synthetic.video_formats.points import check_length, sample_points
from vovtrack.synthetic.video_source import VideoSource

NUM_POINTS = 512
FIRST_SHARE = 0.9
"""Share of points chosen in the first frame: training keeps only points that are seen there."""


class MoviF(VideoFormat):
    """A folder for each sample: its pictures without loss, and one file of `NUM_POINTS` points."""

    def places(self, video: Video) -> tuple[Path]:
        """Return its folder."""
        return (video.root / video.name,)

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files."""
        check_length(source)
        with new_folder(self.places(video)[0], replace=True) as folder:
            frames = write_frames(folder / FRAMES, source, lambda number: f"{number - 1:03d}.png")
            truths = [truth for _, truth in frames]
            points = sample_points(truths, NUM_POINTS, video.rng(), FIRST_SHARE)
            places, visible = points.follow(truths)
            create(folder / f"{video.name}.npy", sample_file(places, ~visible))
