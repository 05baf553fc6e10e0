"""Rendered videos as MOTChallenge sequences with public detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder
from vovtrack.formats.mot.folders import (
    DETECTIONS,
    GT,
    INFO,
    PICTURES,
    SequenceInfo,
    detection_rows,
    truth_rows,
)
from vovtrack.synthetic.video_formats.base import FRAME_RATE, Video, VideoFormat, write_frames
from vovtrack.synthetic.video_formats.detections import DetectorModel
from vovtrack.synthetic.video_source import VideoSource


class MotChallenge(VideoFormat):
    """A folder for each sequence.

    As in the benchmark the boxes go around whole objects, and an object is listed as long as a
    part of its box lies in the image, also where it is hidden; every class is a pedestrian.
    """

    splits = ("train", "test")

    def places(self, video: Video) -> tuple[Path]:
        """Return its folder."""
        return (video.root / video.split / video.name,)

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files."""
        rng, detector = video.rng(), DetectorModel()
        truths, detections = [], []
        with new_folder(self.places(video)[0], replace=True) as folder:
            for frame, truth in write_frames(folder / PICTURES, source, "{:06d}.jpg".format):
                here = np.flatnonzero(truth.inside > 0)
                boxes, visible = truth.whole_bboxes[here], truth.visible[here]
                truths.append(truth_rows(frame, (here + 1).tolist(), boxes, visible))
                detections.append(detection_rows(frame, *detector.detect(truth, rng)))
            info = SequenceInfo(
                video.name, source.num_frames, source.width, source.height, FRAME_RATE
            )
            create(folder / GT, "".join(truths).encode())
            create(folder / DETECTIONS, "".join(detections).encode())
            create(folder / INFO, info.text().encode())
