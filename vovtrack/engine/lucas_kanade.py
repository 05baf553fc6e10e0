"""Lucas-Kanade behind the contract of online trackers: points without any weights."""

from __future__ import annotations

import cv2
import numpy as np

from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.points import points_as_tracks
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks
from vovtrack.trackers.lucas_kanade import LucasKanade


@TASK_UTILS.register_module()
class LucasKanadeTracker(OnlineTracker):
    """Follows points from frame to frame, see :class:`LucasKanade`.

    Args:
        window: See :class:`LucasKanade`, like those that follow.
        levels: Sizes of the image.
        max_error: Largest error of the way there and back, in pixels.
    """

    names = ("point",)
    draw_threshold = 0.5

    def __init__(self, window: int = 21, levels: int = 3, max_error: float = 1.0) -> None:
        self.settings = dict(window=window, levels=levels, max_error=max_error)
        self._flow = LucasKanade(window, levels, max_error)
        self._points: np.ndarray | None = None

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Begin a video with its points, or with those of the one before.

        Raises:
            InputError: The target is not points.
        """
        if target is not None:
            self._points = target.only("Lucas-Kanade", "points").points
        if self._points is None:
            raise InputError("Lucas-Kanade follows points: say where, for example --points 40,52.")
        self._frame_id = -1
        self._before: np.ndarray | None = None
        self._places = self._points[:, 1:].copy()

    def step(self, frame: np.ndarray) -> Tracks:
        """Follow the points into the next frame."""
        if self._points is None:
            self.start(frame)
        assert self._points is not None
        self._frame_id += 1
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        visible = np.ones(len(self._points), dtype=bool)
        old = self._points[:, 0] < self._frame_id
        if self._before is not None:
            self._places[old], visible[old] = self._flow.step(self._before, grey, self._places[old])
        self._before = grey
        ids = np.flatnonzero(self._points[:, 0] <= self._frame_id)
        scores = visible[ids].astype(np.float32)
        return points_as_tracks(self._frame_id, ids, self._places[ids], scores)
