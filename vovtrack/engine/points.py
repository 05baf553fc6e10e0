"""Points and the contract of online trackers, in which a point is a box without extent.

The track id of a point is its row in ``Target.points``. A point is in the tracks of every frame
from its own on, also where it is hidden; it is visible where its score exceeds the tracker's
``draw_threshold``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vovtrack.engine.online import OnlineTracker
from vovtrack.structures import Target, Tracks
from vovtrack.structures.points import PlacedPoints


def points_as_tracks(
    frame_id: int,
    ids: NDArray[np.integer],
    points: NDArray[np.floating],
    scores: NDArray[np.floating],
) -> Tracks:
    """The tracks of a point tracker in one frame.

    Args:
        frame_id: Index of the frame, from 0.
        ids: (n,) rows of the points in the target.
        points: (n, 2) ``(x, y)`` in pixels of the frame.
        scores: (n,) how surely each is visible, in [0, 1].
    """
    places = np.asarray(points, dtype=np.float32)
    return Tracks(
        frame_id=frame_id,
        bboxes=np.concatenate([places, places], axis=1),
        track_ids=np.asarray(ids, dtype=np.int64),
        labels=np.zeros(len(places), dtype=np.int64),
        scores=np.asarray(scores, dtype=np.float32),
        names=("point",),
    )


def place_points(tracks: Tracks, queries: NDArray[np.floating], threshold: float) -> PlacedPoints:
    """The points of one frame in the order of their queries.

    Args:
        tracks: Of the frame.
        queries: (N, 3) ``(frame, x, y)``; a point that is not in the tracks, because its frame is
            still to come, is hidden at its place there.
        threshold: Score above which a point is visible.
    """
    points = np.array(queries[:, 1:], dtype=np.float32)
    scores = np.zeros(len(points), dtype=np.float32)
    points[tracks.track_ids] = tracks.bboxes[:, :2]
    scores[tracks.track_ids] = tracks.scores
    followed = np.zeros(len(points), dtype=bool)
    followed[tracks.track_ids] = True
    return PlacedPoints(points, followed & (scores > threshold), scores, followed)


def follow_points(
    tracker: OnlineTracker, frames: Iterable[NDArray[np.uint8]], queries: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow points through a whole video.

    Args:
        tracker: Any tracker of points.
        frames: T frames, (H, W, 3) uint8 RGB; at least one.
        queries: (n, 3) ``(frame, x, y)`` in pixels; at least one.

    Returns:
        (n, T, 2) points in pixels and (n, T) whether they are visible. Before the frame of its
        query a point is hidden at its place there.
    """
    placed: dict[int, PlacedPoints] = {}

    def keep(tracks: Tracks | None) -> None:
        if tracks is not None:
            placed[tracks.frame_id] = place_points(tracks, queries, tracker.draw_threshold)

    for number, frame in enumerate(frames):
        if number == 0:
            tracker.start(frame, Target(points=queries))
        keep(tracker.step(frame))
    for tracks in tracker.finish():
        keep(tracks)
    found = [placed[number] for number in sorted(placed)]
    return np.stack([f.points for f in found], 1), np.stack([f.visible for f in found], 1)
