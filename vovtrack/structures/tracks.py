"""The tracks of one frame, and of one video, in columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.structures.vocabulary import Vocabulary

_Number = TypeVar("_Number", bound=np.generic)
_COLUMNS: dict[str, type[np.int64 | np.float32]] = {
    "frame_ids": np.int64,
    "bboxes": np.float32,
    "track_ids": np.int64,
    "labels": np.int64,
    "scores": np.float32,
}


@dataclass(frozen=True)
class Tracks:
    """The tracked objects of one frame.

    A tracked point is a box without extent, (x, y, x, y), and its score says how surely it is
    visible.

    Attributes:
        frame_id: Index of the frame since the start, from 0.
        bboxes: (n, 4) float32 (x1, y1, x2, y2), pixels of the frame as given.
        track_ids: (n,) int64, unique inside one video.
        labels: (n,) int64, index ``names``.
        scores: (n,) float32 in [0, 1].
        names: Class names of the tracker.
    """

    frame_id: int
    bboxes: NDArray[np.float32]
    track_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.track_ids)

    def above(self, score: float) -> Tracks:
        """Only the objects whose score exceeds ``score``."""
        keep = self.scores > score
        return replace(
            self,
            bboxes=self.bboxes[keep],
            track_ids=self.track_ids[keep],
            labels=self.labels[keep],
            scores=self.scores[keep],
        )


@dataclass(frozen=True, eq=False)
class TrackSequence:
    """All boxes of one video, one row per box, rows sorted by frame.

    Rows may be given in any order; they are sorted by frame at construction and keep their order
    inside a frame.

    Attributes:
        name: Name of the video.
        width: Image width in pixels.
        height: Image height in pixels.
        num_frames: Number of frames of the video, also those without boxes.
        frame_ids: (N,) int64, 0-based.
        bboxes: (N, 4) float32 xyxy, pixels of the original image.
        track_ids: (N,) int64, >= 0, at most once per frame; -1 is "no track".
        labels: (N,) int64, positions in ``vocabulary``.
        scores: (N,) float32.
        vocabulary: The classes the labels speak of.
        video_id: Id of the video in its dataset, if it has one.
        image_ids: (num_frames,) int64, dataset id of each frame's image, if there are any.

    Raises:
        InputError: Wrong shape or type, a value that is not finite, a frame or label out of range,
            a box of negative size, or a track twice in one frame.
    """

    name: str
    width: int
    height: int
    num_frames: int
    frame_ids: NDArray[np.int64]
    bboxes: NDArray[np.float32]
    track_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    vocabulary: Vocabulary
    video_id: int | None = None
    image_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for column, dtype in _COLUMNS.items():
            object.__setattr__(self, column, self._cast(column, dtype))
        if self.image_ids is not None:
            object.__setattr__(self, "image_ids", self._cast("image_ids", np.int64))
        self._check_shapes()
        self._check_values()
        order = np.argsort(self.frame_ids, kind="stable")
        for column in _COLUMNS:
            object.__setattr__(self, column, getattr(self, column)[order])
        self._check_unique()

    def __len__(self) -> int:
        return len(self.frame_ids)

    def select(self, rows: NDArray[np.integer[Any] | np.bool_] | slice) -> TrackSequence:
        """Return the sequence with only the given rows (indices, a mask or a slice)."""
        return replace(self, **{column: getattr(self, column)[rows] for column in _COLUMNS})

    def frame(self, frame_id: int) -> Tracks:
        """The tracks of one frame, without rows of no track; none where the frame has no box."""
        first, last = np.searchsorted(self.frame_ids, [frame_id, frame_id + 1])
        rows = np.arange(first, last)[self.track_ids[first:last] >= 0]
        return Tracks(
            frame_id=frame_id,
            bboxes=self.bboxes[rows],
            track_ids=self.track_ids[rows],
            labels=self.labels[rows],
            scores=self.scores[rows],
            names=self.vocabulary.names,
        )

    def _error(self, what: str) -> InputError:
        return InputError(f"Video '{self.name}': {what}.")

    def _cast(self, column: str, dtype: type[_Number]) -> NDArray[_Number]:
        values = np.asarray(getattr(self, column))
        if values.size and not np.can_cast(values.dtype, dtype, casting="same_kind"):
            raise self._error(f"{column} holds {values.dtype}, expected {np.dtype(dtype)}")
        return values.astype(dtype)

    def _check_shapes(self) -> None:
        if self.width <= 0 or self.height <= 0 or self.num_frames < 0:
            raise self._error(
                f"impossible size {self.width}x{self.height}, {self.num_frames} frames"
            )
        rows = len(self.frame_ids)
        for column in _COLUMNS:
            expected = (rows, 4) if column == "bboxes" else (rows,)
            shape = getattr(self, column).shape
            if shape != expected:
                raise self._error(f"{column} has shape {shape}, expected {expected}")
        if self.image_ids is not None and self.image_ids.shape != (self.num_frames,):
            raise self._error(f"{len(self.image_ids)} image_ids for {self.num_frames} frames")

    def _check_values(self) -> None:
        bad_rows = {
            f"frame_ids must lie in 0..{self.num_frames - 1}": (self.frame_ids < 0)
            | (self.frame_ids >= self.num_frames),
            "bboxes must be finite": ~np.isfinite(self.bboxes).all(axis=1),
            "bboxes must not have negative size": (self.bboxes[:, 2:] < self.bboxes[:, :2]).any(1),
            "scores must be finite": ~np.isfinite(self.scores),
            "track_ids must be >= -1": self.track_ids < -1,
            f"labels must lie in 0..{len(self.vocabulary) - 1}": (self.labels < 0)
            | (self.labels >= len(self.vocabulary)),
        }
        for rule, bad in bad_rows.items():
            if bad.any():
                row = int(np.argmax(bad))
                raise self._error(f"{rule}; row {row} (frame {self.frame_ids[row]}) does not")

    def _check_unique(self) -> None:
        tracked = self.track_ids >= 0
        keys = np.stack([self.frame_ids[tracked], self.track_ids[tracked]], axis=1)
        unique, counts = np.unique(keys, axis=0, return_counts=True)
        if (counts > 1).any():
            frame_id, track_id = unique[np.argmax(counts > 1)]
            raise self._error(f"track {track_id} occurs twice in frame {frame_id}")
