"""Drawing the tracked objects of a frame."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import cv2
import numpy as np

from vovtrack.ops.voting import majority_class
from vovtrack.visualization.labels import REFERENCE_SIDE, LabelStyle, place_labels, write_label
from vovtrack.visualization.palette import state_color, track_color


class TrackHistory:
    """What drawing remembers of each track: where it was, and which classes it has had.

    Args:
        length: Points kept per track; the points of a track not seen for as many frames are
            dropped, its classes are kept.
    """

    def __init__(self, length: int = 30) -> None:
        self.length = length
        self.num_frames = 0
        self.points: dict[int, deque[tuple[int, float, float]]] = {}
        self.classes: dict[int, Counter[int]] = {}
        self.shown: dict[int, int] = {}
        self.places: dict[int, int] = {}

    def move(self, track_ids: np.ndarray, bboxes: np.ndarray) -> None:
        """Add the bottom centres of ``bboxes`` (n, 4), pixels, of one frame."""
        self.num_frames += 1
        for track_id, (x1, _, x2, y2) in zip(track_ids.tolist(), bboxes.tolist(), strict=True):
            trail = self.points.setdefault(track_id, deque(maxlen=self.length))
            trail.append((self.num_frames, (x1 + x2) / 2, y2))
        oldest = self.num_frames - self.length
        self.points = {k: v for k, v in self.points.items() if v[-1][0] > oldest}

    def vote(self, track_ids: np.ndarray, labels: np.ndarray) -> None:
        """Count the classes ``labels`` (n,) that tracks have in a frame, or in several.

        The majority is shown; it stays until another class has strictly more votes.
        """
        for track_id, label in zip(track_ids.tolist(), labels.tolist(), strict=True):
            self.classes.setdefault(track_id, Counter())[label] += 1
        for track_id in set(track_ids.tolist()):
            votes = self.classes[track_id]
            winner = majority_class(votes)
            if votes[winner] > votes[self.shown.setdefault(track_id, winner)]:
                self.shown[track_id] = winner

    def label_of(self, track_id: int, label: int) -> int:
        """The class to show of a track; ``label`` if it has no votes."""
        return self.shown.get(track_id, label)

    def trail(self, track_id: int) -> np.ndarray:
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
    history: TrackHistory | None = None,
) -> np.ndarray:
    """Draw boxes in the colour of their identity, with class, id and score.

    Labels lie beside the boxes, where they hide least of other boxes and labels.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        bboxes: (n, 4) (x1, y1, x2, y2), pixels of the frame.
        track_ids: (n,); None draws boxes in the colour of their class.
        labels: (n,), index ``names``.
        scores: (n,); None draws boxes in the given order.
        names: Class names.
        history: Draw where the tracks came from, and the classes that they have had most often.

    Returns:
        A new frame.
    """
    canvas = frame.copy()
    thickness = _thickness(frame)
    # Weak detections first, so that strong ones end up on top.
    order = np.arange(len(bboxes)) if scores is None else np.argsort(scores, kind="stable")
    colors = [track_color(int(i)) for i in (labels if track_ids is None else track_ids)]
    for i in order:
        if history is not None and track_ids is not None:
            _draw_trail(canvas, history.trail(int(track_ids[i])), colors[i], thickness)
        x1, y1, x2, y2 = (int(round(float(v))) for v in bboxes[i])
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colors[i], thickness)
    style = LabelStyle.of_frame(*frame.shape[:2])
    texts = []
    for i, label in enumerate(labels.tolist()):
        track_id = None if track_ids is None else int(track_ids[i])
        if history is not None and track_id is not None:
            label = history.label_of(track_id, label)
        texts.append(style.text(names[label], track_id, None if scores is None else scores[i]))
    _draw_labels(canvas, bboxes, texts, colors, order[::-1], track_ids, history)
    return canvas


def _draw_labels(
    canvas: np.ndarray,
    bboxes: np.ndarray,
    texts: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
    order: np.ndarray,
    track_ids: np.ndarray | None = None,
    history: TrackHistory | None = None,
) -> None:
    """Write the labels of all boxes; the first of ``order`` choose their places first."""
    style = LabelStyle.of_frame(*canvas.shape[:2])
    sizes = np.array([style.size(texts[i]) for i in order]).reshape(-1, 2)
    before = None
    if history is not None and track_ids is not None:
        before = np.array([history.places.get(int(track_ids[i]), -1) for i in order], dtype=int)
    rectangles, places = place_labels(bboxes[order], sizes, canvas.shape[1::-1], before)
    for i, (left, top, *_), place in zip(order, rectangles.tolist(), places.tolist(), strict=True):
        write_label(canvas, texts[i], (left, top), colors[i], style)
        if history is not None and track_ids is not None:
            history.places[int(track_ids[i])] = place


def _thickness(frame: np.ndarray) -> int:
    """Width of lines in pixels."""
    return max(1, round(2 * min(frame.shape[:2]) / REFERENCE_SIDE))


def _draw_trail(
    canvas: np.ndarray, points: np.ndarray, color: tuple[int, int, int], thickness: int
) -> None:
    for age, (start, end) in enumerate(zip(points[:-1], points[1:], strict=True), start=1):
        strength = age / len(points)
        faded = tuple(int(c * strength + 60 * (1 - strength)) for c in color)
        first, last = (tuple(map(round, map(float, p))) for p in (start, end))
        cv2.line(canvas, first, last, faded, thickness, cv2.LINE_AA)


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
    thickness = _thickness(frame)
    # Small boxes last, or large ones would hide them.
    areas = (bboxes[:, 2] - bboxes[:, 0]) * (bboxes[:, 3] - bboxes[:, 1])
    order = np.argsort(-areas, kind="stable")
    colors = [state_color(float(weight)) for weight in weights]
    for i in order:
        x1, y1, x2, y2 = (int(round(float(v))) for v in bboxes[i])
        inside = canvas[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        inside[:] = (0.75 * inside + 0.25 * np.array(colors[i])).astype(np.uint8)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colors[i], thickness)
    _draw_labels(canvas, bboxes, [f"{weight:.2f}" for weight in weights], colors, order)
    return canvas
