"""An annotated video in columns, whatever file it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vovtrack.errors import InputError

NO_SIZE = (0, 0)
"""Width and height of an image of which no file says the size."""
NO_TRACK = -1
"""Track of a box whose object is not known."""


class FrameRecord(NamedTuple):
    """One annotated frame.

    Attributes:
        number: Place in time; frames of a video may be missing.
        image: File of its image, below the folder of all images.
        bboxes: (n, 4) xyxy, pixels of the image.
        labels: (n,) classes.
        track_ids: (n,) tracks of the video, ``NO_TRACK`` where the object is not known.
        ignored: (n,) whether a box is a region to ignore; none are by default.
        size: Width and height of the image in pixels, ``NO_SIZE`` where no file says them.
    """

    number: int
    image: str
    bboxes: ArrayLike = ()
    labels: ArrayLike = ()
    track_ids: ArrayLike = ()
    ignored: ArrayLike | None = None
    size: tuple[int, int] = NO_SIZE


@dataclass(frozen=True, eq=False)
class VideoRecord:
    """A video: F frames in order of time, and their N boxes, frame by frame.

    Unlike a :class:`~vovtrack.structures.tracks.TrackSequence` it knows its images, and takes what
    files for training hold: boxes without a track, and two of one track in a frame.

    Attributes:
        name: Of the video.
        images: (F,) files of the images, below the folder of all images.
        numbers: (F,) int64 places in time, ascending.
        sizes: (F, 2) int64 width and height of the images, ``NO_SIZE`` where no file says them.
        counts: (F,) int64 number of boxes of each frame.
        bboxes: (N, 4) float32 xyxy, pixels of the image.
        labels: (N,) int64.
        track_ids: (N,) int64, ``NO_TRACK`` where the object is not known.
        ignored: (N,) bool, regions to ignore.
    """

    name: str
    images: tuple[str, ...]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    bboxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    @classmethod
    def of(cls, name: str, frames: Iterable[FrameRecord]) -> VideoRecord:
        """Put frames, which may come in any order, into columns.

        Raises:
            InputError: Two frames have one number.
        """
        ordered = sorted(frames, key=lambda frame: frame.number)
        numbers = np.array([frame.number for frame in ordered], dtype=np.int64)
        if len(repeated := numbers[1:][np.diff(numbers) == 0]):
            raise InputError(f"Frame {repeated[0]} of video '{name}' occurs twice.")
        boxes = [np.asarray(frame.bboxes, np.float32).reshape(-1, 4) for frame in ordered]
        masks = [
            np.zeros(len(found), bool) if frame.ignored is None else frame.ignored
            for frame, found in zip(ordered, boxes, strict=True)
        ]
        return cls(
            name=name,
            images=tuple(frame.image for frame in ordered),
            numbers=numbers,
            sizes=np.array([frame.size for frame in ordered], dtype=np.int64).reshape(-1, 2),
            counts=np.array([len(found) for found in boxes], dtype=np.int64),
            bboxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            labels=_joined([frame.labels for frame in ordered], np.int64),
            track_ids=_joined([frame.track_ids for frame in ordered], np.int64),
            ignored=_joined(masks, np.bool_),
        )

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, position: int) -> slice:
        """The boxes of the frame at a position of 0 to F - 1."""
        end = int(self.counts[: position + 1].sum())
        return slice(end - int(self.counts[position]), end)

    def objects(self, position: int) -> set[int]:
        """Tracks of the frame at a position, without those of regions to ignore."""
        rows = self.rows(position)
        return set(self.track_ids[rows][~self.ignored[rows]].tolist()) - {NO_TRACK}

    def without_empty(self) -> VideoRecord:
        """Only the frames that have a box; regions to ignore do not count."""
        owners = np.repeat(np.arange(len(self)), self.counts)
        kept = np.isin(np.arange(len(self)), owners[~self.ignored])
        rows = kept[owners]
        return replace(
            self,
            images=tuple(np.array(self.images, dtype=object)[kept]),
            **{name: getattr(self, name)[kept] for name in ("numbers", "sizes", "counts")},
            **{
                name: getattr(self, name)[rows]
                for name in ("bboxes", "labels", "track_ids", "ignored")
            },
        )


class VideoSet(NamedTuple):
    """What a reader finds.

    Attributes:
        classes: Names of the classes that labels are positions in.
        videos: By name.
        notes: Sentences on what was left out or is unusual, for the log.
    """

    classes: tuple[str, ...]
    videos: list[VideoRecord]
    notes: tuple[str, ...] = ()

    @property
    def content_sha256(self) -> str:
        """Hash of all that the videos hold."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for video in self.videos:
            digest.update("\0".join(["", video.name, *video.images]).encode())
            for column in fields(video)[2:]:
                digest.update(np.ascontiguousarray(getattr(video, column.name)).data)
        return digest.hexdigest()


def _joined(parts: list[ArrayLike], dtype: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(part, dtype) for part in parts)])
