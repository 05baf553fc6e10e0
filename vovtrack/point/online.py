"""Tracking of points frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from vovtrack.engine.online import OnlineTracker, frame_size
from vovtrack.engine.points import points_as_tracks
from vovtrack.errors import InputError
from vovtrack.point.follower import PointFollower
from vovtrack.point.models import PointModel
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks


@TASK_UTILS.register_module()
class PointTracker(OnlineTracker):
    """Follows points through a video; an immediate tracker.

    The id of a point is its row in the target, or what :meth:`add` says. A point is in the tracks
    of every frame from its own on, also where it is hidden; its score is how surely it is visible,
    and it is visible above ``draw_threshold``. Memory does not grow with the length of a video.

    Args:
        model: In evaluation mode.
        max_points: Of more points at a time it is said that they are too many: each remembers
            ``memory`` frames.

    Example:
        Follow two points, and a third one that is seen in frame 10::

            tracker.start(frames[0], Target(points=[[320, 240], [410, 180]]))
            for number, frame in enumerate(frames):
                if number == 10:
                    ids = tracker.add([[50, 60]])
                tracks = tracker.step(frame)
    """

    names = ("point",)

    def __init__(self, model: PointModel, max_points: int = 20_000) -> None:
        self.model = model
        self.max_points = max_points
        self.follower = PointFollower(model)
        self.reset()

    @property
    def draw_threshold(self) -> float:  # type: ignore[override]  # the model's own
        """Score above which a point is visible."""
        return self.model.test_settings.visibility_threshold

    @property
    def settings(self) -> Mapping[str, Any]:  # type: ignore[override]  # those of the model
        """What decides the numbers besides the weights, ready for JSON."""
        test = self.model.test_settings
        return dict(
            input_size=list(self.model.input_size),
            memory=list(self.model.slots),
            visibility_threshold=test.visibility_threshold,
            support_grid=test.support_grid,
        )

    def reset(self) -> None:
        """Forget the video and its points; points may be added before its first frame."""
        self.follower.reset()
        self.frame_id = -1
        self._size: tuple[int, int] | None = None
        self._later: dict[int, list[tuple[int, np.ndarray]]] = {}
        self._ids: list[int] = []
        self._next_id = 0

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Begin a video.

        Args:
            frame: The first frame; None before it is known.
            target: Points to follow.

        Raises:
            InputError: Another kind of target or none, points outside of the frame, or too many.
        """
        points = (target or Target()).only("A point tracker", "points").points
        if points is None or target is None:
            raise InputError("A point tracker must be told which points to follow.")
        if frame is not None:
            target.check_inside(*frame_size(frame, 0))
        self.reset()
        self._wait(points)

    def add(self, points: ArrayLike, frame_id: int | None = None) -> list[int]:
        """Follow further points.

        Args:
            points: (n, 2) x and y in pixels.
            frame_id: The frame in which they lie there, from which they are followed; the next
                one if None.

        Returns:
            Their ids, in order.

        Raises:
            InputError: They are not such points, lie outside, are too many, or their frame is past.
        """
        coming = self.frame_id + 1
        frame_id = coming if frame_id is None else frame_id
        if frame_id < coming:
            raise InputError(f"Points of frame {frame_id} come too late: frame {coming} is next.")
        target = Target(points=np.asarray(points, dtype=np.float32)[:, -2:])
        if self._size is not None:
            target.check_inside(*self._size)
        assert target.points is not None
        rows = target.points.copy()
        rows[:, 0] = frame_id
        return self._wait(rows)

    def drop(self, ids: Iterable[int]) -> None:
        """Follow some points no longer.

        Args:
            ids: Of the points; those that are not followed are passed over.
        """
        gone = set(ids)
        for frame_id, waiting in self._later.items():
            self._later[frame_id] = [row for row in waiting if row[0] not in gone]
        rows = [row for row, known in enumerate(self._ids) if known in gone]
        self.follower.drop(torch.tensor(rows, dtype=torch.long))

    def step(self, frame: np.ndarray) -> Tracks:
        """Follow the points into the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Raises:
            InputError: Not such a frame, or one of another size.
        """
        self._check_frame(frame)
        self.frame_id += 1
        new = self._later.pop(self.frame_id, [])
        if new:
            self._ids += [row[0] for row in new]
            self.follower.add(torch.from_numpy(np.stack([row[1] for row in new])))
        # A copy: a frame may be read-only.
        found = self.follower.step(torch.tensor(frame).permute(2, 0, 1))
        ids = np.array(self._ids, dtype=np.int64)[found.ids.numpy()]
        order = np.argsort(ids)
        scores = found.visible_logit.sigmoid().numpy()
        return points_as_tracks(
            self.frame_id, ids[order], found.points.numpy()[order], scores[order]
        )

    def finish(self) -> tuple[()]:
        """End the video. No tracks are owed.

        Raises:
            InputError: Points were to be followed from a frame on that the video does not have.
        """
        late = sorted(frame_id for frame_id, rows in self._later.items() if rows)
        count = self.frame_id + 1
        self.reset()
        if late:
            raise InputError(
                f"Points were to be followed from frame {late[0]} on, but the video has {count} "
                "frames, counted from 0."
            )
        return ()

    def _wait(self, points: np.ndarray) -> list[int]:
        """Points (n, 3) until their frame comes; returns their ids."""
        ids = list(range(self._next_id, self._next_id + len(points)))
        if (count := self.num_points + len(ids)) > self.max_points:
            raise InputError(
                f"{count} points at a time need too much memory: follow up to {self.max_points} "
                "at a time, or raise the tracker's max_points."
            )
        self._next_id += len(ids)
        for number, (frame_id, *place) in zip(ids, points, strict=True):
            row = (number, np.array(place, dtype=np.float32))
            self._later.setdefault(int(frame_id), []).append(row)
        return ids

    @property
    def num_points(self) -> int:
        """Points that are followed, or will be."""
        return len(self.follower) + sum(map(len, self._later.values()))

    def _check_frame(self, frame: np.ndarray) -> None:
        size = frame_size(frame, self.frame_id + 1)
        if self._size is None:
            self._size = size
            waiting = [(f, *row[1]) for f, rows in self._later.items() for row in rows]
            if waiting:
                Target(points=np.array(waiting)).check_inside(*size)
        if size != self._size:
            raise InputError(
                f"Frame {self.frame_id + 1} has {size[0]}x{size[1]} pixels, but the video began "
                f"with {self._size[0]}x{self._size[1]}: points cannot be followed into it."
            )
