"""The result files of points that are followed through a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vovtrack.datasets.video import FrameSource
from vovtrack.engine.points import place_points
from vovtrack.engine.track_files import Opener, ResultFile, open_mot, video_facts
from vovtrack.evaluation.reports.csv_tables import harmless
from vovtrack.formats.point_writers import (
    PointCsvWriter,
    PointJsonWriter,
    PointNpzWriter,
    PointPickleWriter,
)
from vovtrack.structures import Tracks
from vovtrack.structures.points import PlacedPoints, PointQueries
from vovtrack.visualization import VideoWriter
from vovtrack.visualization.drawn_video import DEFAULT_FPS
from vovtrack.visualization.points import PointPainter


def point_openers(
    frames: FrameSource, queries: PointQueries, threshold: float
) -> dict[str, Opener]:
    """What opens the files of points, by kind.

    Args:
        frames: The source.
        queries: The points; the track id of a point is its row.
        threshold: Score above which a point is visible.
    """

    def place(tracks: Tracks) -> PlacedPoints:
        return place_points(tracks, queries.queries, threshold)

    def json(path: str) -> ResultFile:
        size = dict(width=frames.width, height=frames.height)
        file = PointJsonWriter(path, queries, dict(video=frames.name, **size, fps=frames.fps))
        return ResultFile(
            file.unfinished,
            lambda frame, time, tracks: file.write(place(tracks), time),
            file.finish,
            file.discard,
        )

    def csv(path: str) -> ResultFile:
        file = PointCsvWriter(path, tuple(map(harmless, queries.names)))
        return ResultFile(
            file.unfinished,
            lambda frame, time, tracks: file.write(place(tracks), time),
            lambda reason, bad_frames: file.finish(),
            file.discard,
        )

    def npz(path: str) -> ResultFile:
        file = PointNpzWriter(path, queries)
        return ResultFile(
            file.unfinished,
            lambda frame, time, tracks: file.write(place(tracks)),
            lambda reason, bad_frames: file.finish(),
            file.discard,
        )

    def tapvid(path: str) -> ResultFile:
        file = PointPickleWriter(path, Path(frames.name).stem, len(queries.names))

        def write(frame: np.ndarray | None, time: float | None, tracks: Tracks) -> None:
            assert frame is not None, "pixels are kept where a video is written"
            file.write(place(tracks), frame)

        return ResultFile(
            file.unfinished, write, lambda reason, bad_frames: file.finish(), file.discard
        )

    def mot(path: str) -> ResultFile:
        return open_mot(path, lambda tracks: tracks.above(threshold))

    def video(path: str) -> ResultFile:
        painter = PointPainter()
        writer = VideoWriter(path, frames.fps or DEFAULT_FPS, **video_facts(frames))

        def write(frame: np.ndarray | None, time: float | None, tracks: Tracks) -> None:
            assert frame is not None, "pixels are kept where a video is drawn"
            writer.write(painter.draw(frame, place(tracks)), time)

        return ResultFile(
            writer.unfinished,
            write,
            lambda reason, bad_frames: writer.finish(),
            writer.discard,
            writer.notes,
        )

    return dict(json=json, csv=csv, npz=npz, tapvid=tapvid, mot=mot, video=video)
