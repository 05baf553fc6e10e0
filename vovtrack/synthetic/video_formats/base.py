"""What a format of rendered videos has to say: where a video goes, and how it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.files.atomic import create
from vovtrack.files.images import encode_image
from vovtrack.synthetic.truth import FrameTruth
from vovtrack.synthetic.video_source import VideoSource

FRAME_RATE = 30
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Video:
    """One video of a set.

    Attributes:
        root: Folder of the set; its parent is the place for what is of use only until the set is
            complete.
        name: Its name, unique in the set.
        split: Folder of its split, one of ``VideoFormat.splits``; empty where there are none.
        number: Its position in the split, from 0.
        seed: Of what is drawn at random beside the pictures; no two videos share one.
        names: Class name of every label; None where there are none.
        groups: Class of every label in formats of few classes; None where it is the label.
    """

    root: Path
    name: str
    split: str
    number: int
    seed: tuple[int, int]
    names: Sequence[str] | None
    groups: Sequence[int] | None

    def rng(self) -> np.random.Generator:
        """A generator that depends on nothing but ``seed``."""
        return np.random.default_rng(self.seed)

    def groups_of(self, labels: NDArray[np.int64]) -> list[int]:
        """Class of objects in formats of few classes."""
        return [label if self.groups is None else self.groups[label] for label in labels.tolist()]


class VideoFormat(ABC):
    """How videos become files. A video is written as a whole before the next one is begun.

    Attributes:
        splits: Folders of the videos to train on and of those held out; empty if the format does
            not part them.
    """

    splits: tuple[str, ...] = ()

    @abstractmethod
    def places(self, video: Video) -> tuple[Path, ...]:
        """Return the files and folders of a video, which hold nothing else."""

    @abstractmethod
    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files, over those of a run that was interrupted.

        Raises:
            InputError: The format cannot hold this video.
            WriteError: The disk is full.
        """

    def conclude(self, root: Path, videos: Sequence[Video]) -> None:
        """Write what is said of the set as a whole, once all of its videos are there."""
        del root, videos


def write_frames(
    folder: Path, source: VideoSource, named: Callable[[int], str], frames: range | None = None
) -> Iterator[tuple[int, FrameTruth]]:
    """Render frames into a folder under construction, one at a time.

    Args:
        folder: Where the pictures go.
        source: The video.
        named: File name of the first, second... picture; its suffix chooses the format.
        frames: Which frames; default: all.

    Yields:
        Each frame, once its picture is written, and its truth.
    """
    for number, frame in enumerate(frames or range(source.num_frames), start=1):
        image, truth = source.render(frame)
        name = named(number)
        create(folder / name, encode_image(image, Path(name).suffix, JPEG_QUALITY))
        yield frame, truth
