"""Drawing the tracked objects of a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from vovtrack.visualization.palette import state_color, track_color

FONT = cv2.FONT_HERSHEY_SIMPLEX
REFERENCE_SIDE = 720
"""Short side in pixels at which lines are 2 pixels wide and letters about 14 pixels high."""


class TrailMemory:
    """Where each living track was in the last frames.

    Args:
        length: Points kept per track; a track not seen for as many frames is dropped.
    """

    def __init__(self, length: int = 30) -> None:
        self.length = length
        self.num_frames = 0
        self.points: dict[int, deque[tuple[int, float, float]]] = {}

    def update(self, track_ids: np.ndarray, bboxes: np.ndarray) -> None:
        """Add the bottom centres of ``bboxes`` (n, 4), pixels, of one frame."""
        self.num_frames += 1
        for track_id, (x1, _, x2, y2) in zip(track_ids.tolist(), bboxes.tolist(), strict=True):
            trail = self.points.setdefault(track_id, deque(maxlen=self.length))
            trail.append((self.num_frames, (x1 + x2) / 2, y2))
        oldest = self.num_frames - self.length
        self.points = {k: v for k, v in self.points.items() if v[-1][0] > oldest}

    def of(self, track_id: int) -> np.ndarray:
        """(k, 2) points of a track, oldest first, pixels."""
        points = [point[1:] for point in self.points.get(track_id, ())]
        return np.array(points, dtype=np.float32).reshape(-1, 2)


def draw_tracks(
    frame: np.ndarray,
    bboxes: np.ndarray,
    track_ids: np.ndarray | None,
    labels: np.ndarray,
    scores: np.ndarray | None,
    names: Sequence[str],
    trails: TrailMemory | None = None,
) -> np.ndarray:
    """Draw boxes in the colour of their identity, with class, id and score.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        bboxes: (n, 4) (x1, y1, x2, y2), pixels of the frame.
        track_ids: (n,); None draws boxes in the colour of their class.
        labels: (n,), index ``names``.
        scores: (n,); None draws boxes in the given order.
        names: Class names.
        trails: Draw where the tracks came from.

    Returns:
        A new frame.
    """
    canvas = frame.copy()
    unit = min(frame.shape[:2]) / REFERENCE_SIDE
    thickness = max(1, round(2 * unit))
    # Weak detections first, so that strong ones end up on top.
    order = range(len(bboxes)) if scores is None else np.argsort(scores, kind="stable")
    for i in order:
        color = track_color(int(labels[i] if track_ids is None else track_ids[i]))
        if trails is not None and track_ids is not None:
            _draw_trail(canvas, trails.of(int(track_ids[i])), color, thickness)
        x1, y1, x2, y2 = (int(round(float(v))) for v in bboxes[i])
        cv2.rectangle(canvas, (x1, y1), (x2, y2), color, thickness)
        text = names[labels[i]]
        text += "" if track_ids is None else f" #{track_ids[i]}"
        text += "" if scores is None else f" {scores[i]:.2f}"
        _draw_label(canvas, text, (x1, y1), color, max(0.35, 0.6 * unit), thickness)
    return canvas


def _draw_trail(
    canvas: np.ndarray, points: np.ndarray, color: tuple[int, int, int], thickness: int
) -> None:
    for age, (start, end) in enumerate(zip(points[:-1], points[1:], strict=True), start=1):
        strength = age / len(points)
        faded = tuple(int(c * strength + 60 * (1 - strength)) for c in color)
        ends = (tuple(map(round, map(float, p))) for p in (start, end))
        cv2.line(canvas, *ends, faded, thickness, cv2.LINE_AA)


def _draw_label(
    canvas: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: tuple[int, int, int],
    scale: float,
    thickness: int,
) -> None:
    """Write on a filled background above the corner, or as near to it as the image allows."""
    height, width = canvas.shape[:2]
    weight = max(1, round(0.6 * thickness))
    (text_width, text_height), below = cv2.getTextSize(text, FONT, scale, weight)
    pad = 2 + thickness // 2
    box_width, box_height = text_width + 2 * pad, text_height + below + 2 * pad
    left = max(0, min(corner[0], width - box_width))
    top = max(0, min(corner[1] - box_height, height - box_height))
    cv2.rectangle(canvas, (left, top), (left + box_width, top + box_height), color, cv2.FILLED)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    ink = (0, 0, 0) if bright else (255, 255, 255)
    origin = (left + pad, top + pad + text_height)
    cv2.putText(canvas, text, origin, FONT, scale, ink, weight, cv2.LINE_AA)


def draw_states(frame: np.ndarray, bboxes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tint regions by how trackable they look: orange for weight 0 over to blue for weight 1.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        bboxes: (n, 4) (x1, y1, x2, y2), pixels of the frame.
        weights: (n,) in [0, 1].

    Returns:
        A new frame; each box is filled lightly, outlined, and labelled with its weight.
    """
    canvas = frame.copy()
    unit = min(frame.shape[:2]) / REFERENCE_SIDE
    thickness = max(1, round(2 * unit))
    # Small boxes last, or large ones would hide them.
    areas = (bboxes[:, 2] - bboxes[:, 0]) * (bboxes[:, 3] - bboxes[:, 1])
    for i in np.argsort(-areas, kind="stable"):
        color = state_color(float(weights[i]))
        x1, y1, x2, y2 = (int(round(float(v))) for v in bboxes[i])
        inside = canvas[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        inside[:] = (0.75 * inside + 0.25 * np.array(color)).astype(np.uint8)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), color, thickness)
        size = max(0.35, 0.6 * unit)
        _draw_label(canvas, f"{weights[i]:.2f}", (x1, y1), color, size, thickness)
    return canvas
