"""Videos of one object each, and how well it is followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.evaluation.scores.single_object import overlap
from vovtrack.files.images import read_image
from vovtrack.formats.single_object import read_ground_truth
from vovtrack.formats.single_object_layouts import list_images

METRICS = ("AO", "SR50", "lost")
"""Mean overlap, the share of frames with an overlap above a half, and of those without any;
percent, means over videos, of the frames after the first that show the object."""


@dataclass(frozen=True)
class Video:
    """A video and the box that is marked in its first frame.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        boxes: (T, 4) ``x, y, w, h`` in pixels.
        present: (T,) bool, where the object can be seen.
    """

    frames: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    present: NDArray[np.bool_]


Rival = Callable[[Video], NDArray[np.float64]]
"""From a video to the boxes (T, 4) that it finds."""


def read_videos(folder: Path, most: int | None = None) -> list[Video]:
    """The sequences of a folder in GOT-10k's layout, in the order of their names."""
    videos = []
    for sequence in read_ground_truth(folder)[:most]:
        names = list_images(folder, sequence.files, len(sequence.bboxes))
        frames = np.stack([read_image(folder / name) for name in names])
        videos.append(Video(frames, sequence.bboxes, sequence.present))
    return videos


def rate(videos: Iterable[Video], rival: Rival) -> dict[str, float]:
    """Scores of a rival in percent."""
    rows = []
    for video in videos:
        counted = video.present.copy()
        counted[0] = False
        found = overlap(rival(video), video.boxes)[counted]
        rows.append([found.mean(), (found > 0.5).mean(), (found <= 0).mean()])
    return dict(zip(METRICS, 100 * np.mean(rows, axis=0), strict=True))
