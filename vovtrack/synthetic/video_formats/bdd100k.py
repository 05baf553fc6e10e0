"""Rendered videos as the tracking part of BDD100K: ``images/track`` and ``labels/box_track_20``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.files.folders import new_folder
from vovtrack.formats.bdd100k import CLASSES, BddFrame, write_video
from vovtrack.synthetic.truth import FrameTruth
from vovtrack.synthetic.video_formats.base import Video, VideoFormat, write_frames
from vovtrack.synthetic.video_source import VideoSource

_OCCLUDED_BELOW = 0.9
"""Part of what lies inside of the image that is seen of an object that is not called occluded."""


class Bdd100k(VideoFormat):
    """A folder of pictures and a JSON file for each video.

    Boxes hold the pixels seen of the objects that are annotated; an object keeps its id while it
    is hidden. Classes are ``Video.groups``, one of the eight tracking classes each.
    """

    splits = ("train", "val")

    def places(self, video: Video) -> tuple[Path, Path]:
        """Return its pictures and its labels."""
        return (
            video.root / "images/track" / video.split / video.name,
            video.root / "labels/box_track_20" / video.split / f"{video.name}.json",
        )

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files."""

        def named(number: int) -> str:
            return f"{video.name}-{number:07d}.jpg"

        pictures, labels = self.places(video)
        categories = [CLASSES[group % len(CLASSES)] for group in video.groups_of(source.labels)]
        with new_folder(pictures, replace=True) as folder:
            frames = [
                (BddFrame(video.name, frame, named(frame + 1)), _labels(truth, categories))
                for frame, truth in write_frames(folder, source, named)
            ]
        write_video(labels, frames)


def _labels(truth: FrameTruth, categories: list[str]) -> list[dict[str, Any]]:
    clear = truth.visible >= _OCCLUDED_BELOW * np.minimum(truth.inside, 1)
    return [
        dict(
            id=f"{i + 1:08d}",
            category=categories[i],
            attributes=dict(
                occluded=not clear[i], truncated=bool(truth.inside[i] < 1), crowd=False
            ),
            box=truth.bboxes[i].tolist(),
        )
        for i in truth.annotated.tolist()
    ]
