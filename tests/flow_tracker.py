"""A small tracker of points: pyramidal Lucas-Kanade from frame to frame, checked backwards."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vovtrack.engine.online import OnlineTracker
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks

CONFIG = """
_base_ = "{base}"
custom_imports = dict(imports=["flow_tracker"])
online = dict(type="FlowTracker")
"""


@TASK_UTILS.register_module()
class FlowTracker(OnlineTracker):
    """A point is hidden for good where following it back does not lead to within a pixel."""

    names = ("point",)
    draw_threshold = 0.5

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        if target is None:
            raise InputError("The flow tracker needs points.")
        self.queries = target.only("The flow tracker", "points").points
        self.places = self.queries[:, 1:].copy()
        self.seen = np.ones(len(self.places), dtype=bool)
        self.frame_id, self.last = -1, None

    def step(self, frame: np.ndarray) -> Tracks:
        self.frame_id += 1
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        moving = np.flatnonzero(self.queries[:, 0] < self.frame_id)
        if len(moving):
            there, ok, _ = cv2.calcOpticalFlowPyrLK(self.last, image, self.places[moving], None)
            back, _, _ = cv2.calcOpticalFlowPyrLK(image, self.last, there, None)
            error = np.linalg.norm(back - self.places[moving], axis=1)
            self.seen[moving] &= (ok[:, 0] > 0) & (error < 1)
            self.places[moving] = there
        self.last = image
        ids = np.flatnonzero(self.queries[:, 0] <= self.frame_id)
        places = self.places[ids]
        return Tracks(
            frame_id=self.frame_id,
            bboxes=np.concatenate([places, places], axis=1),
            track_ids=ids,
            labels=np.zeros(len(ids), dtype=np.int64),
            scores=self.seen[ids].astype(np.float32),
            names=self.names,
        )


def write_config(folder: Path, root: Path) -> Path:
    """Write the config of this tracker."""
    path = folder / "flow.py"
    path.write_text(CONFIG.format(base=root / "configs/_base_/default_runtime.py"))
    return path
