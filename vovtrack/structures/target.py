"""What a tracker is asked to follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vovtrack.errors import InputError
from vovtrack.structures.vocabulary import Vocabulary

KINDS = ("classes", "boxes", "points")


@dataclass(frozen=True, eq=False)
class Target:
    """Classes, objects or points to follow; each kind may be left out.

    Attributes:
        classes: What objects are called; also given as :meth:`Vocabulary.parse` takes it.
        boxes: (n, 4) float32 (x1, y1, x2, y2) of the objects, in pixels.
        box_frames: (n,) int64 the frame, from 0, in which each box is drawn; None for the first.
        box_ids: (n,) int64 the object of each box; of a later box of the same object it is learned
            anew. None for an object for each, numbered from 0.
        points: (n, 3) float32 (frame, x, y): the frame, from 0, from which a point is followed,
            and its place there in pixels; given as (n, 2), points of the first frame.

    Raises:
        InputError: Unusable class names; boxes or points of another shape, that are not finite, or
            without extent; frames or ids that do not fit them.
    """

    classes: Vocabulary | None = None
    boxes: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None
    box_frames: NDArray[np.int64] | None = None
    box_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.classes is not None:
            object.__setattr__(self, "classes", Vocabulary.parse(self.classes))
        if self.boxes is not None:
            object.__setattr__(self, "boxes", _boxes(self.boxes))
            self._number_boxes(len(self.boxes))
        if self.points is not None:
            object.__setattr__(self, "points", _points(self.points))

    def _number_boxes(self, count: int) -> None:
        """Give boxes their frames and ids."""
        for name, default in (("box_frames", np.zeros(count)), ("box_ids", np.arange(count))):
            given = getattr(self, name)
            numbers = np.asarray(default if given is None else given)
            if numbers.shape != (count,) or (numbers < 0).any() or (numbers % 1 != 0).any():
                raise InputError(
                    f"The target's {name} must be whole numbers from 0 on, one for each box."
                )
            object.__setattr__(self, name, numbers.astype(np.int64))
        places = list(zip(self.box_ids.tolist(), self.box_frames.tolist(), strict=True))  # type: ignore[union-attr]
        if twice := [place for place in places if places.count(place) > 1]:
            raise InputError(
                "Object {} has two boxes in frame {}: leave one out.".format(*twice[0])
            )

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is given: ``classes``, ``boxes``, ``points``."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    def only(self, tracker: str, *kinds: str) -> Target:
        """This target, for a tracker that can use these kinds alone.

        Args:
            tracker: Its name, for the message.
            *kinds: What it can use.

        Raises:
            InputError: Another kind is given.
        """
        for kind in self.kinds:
            if kind not in kinds:
                usable = f"follows {' or '.join(kinds)}" if kinds else "chooses its objects itself"
                raise InputError(f"{tracker} {usable}; it cannot use {kind} as its target.")
        return self

    def check_inside(self, width: int, height: int) -> None:
        """Check that boxes and points lie in frames of a size; boxes may stick out.

        Args:
            width: Of a frame in pixels.
            height: Of a frame in pixels.

        Raises:
            InputError: One lies outside.
        """
        size = np.array([width, height])
        if self.boxes is not None:
            out = ((self.boxes[:, :2] >= size) | (self.boxes[:, 2:] <= 0)).any(axis=1)
            _check_none(self.boxes[out], "box (x1, y1, x2, y2)", width, height)
        if self.points is not None:
            places = self.points[:, 1:]
            out = ((places >= size) | (places < 0)).any(axis=1)
            _check_none(self.points[out], "point (frame, x, y)", width, height)


def _check_none(rows: NDArray[np.float32], what: str, width: int, height: int) -> None:
    if len(rows):
        shown = ", ".join(f"{value:g}" for value in rows[0])
        raise InputError(f"The {what} {shown} lies outside of frames of {width}x{height} pixels.")


def _boxes(values: ArrayLike) -> NDArray[np.float32]:
    boxes = _rows(values, (4,), "boxes, (x1, y1, x2, y2)")
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        row = boxes[~(boxes[:, 2:] > boxes[:, :2]).all(axis=1)][0]
        raise InputError(f"The box {row.tolist()} of the target has no extent.")
    return boxes


def _points(values: ArrayLike) -> NDArray[np.float32]:
    points = _rows(values, (2, 3), "points, (x, y) or (frame, x, y)")
    if points.shape[1] == 2:
        points = np.column_stack([np.zeros(len(points), np.float32), points])
    if (points[:, 0] < 0).any() or (points[:, 0] % 1 != 0).any():
        raise InputError("The frames of the target's points must be whole numbers from 0 on.")
    return points


def _rows(values: ArrayLike, widths: tuple[int, ...], what: str) -> NDArray[np.float32]:
    try:
        rows = np.array(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"The target's {what}, are not numbers: {values!r}.") from None
    if rows.ndim != 2 or rows.shape[1] not in widths or len(rows) == 0:
        raise InputError(f"Expected rows of {what}, as the target, not shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InputError(f"A number of the target's {what}, is not finite.")
    return rows
