"""Tracked points of one video, written frame by frame: JSON, CSV, NPZ and TAP-Vid's pickle.

Text survives a kill, see :mod:`vovtrack.files.streams`. Arrays, of which a frame is a column, wait
on disk and are written in the end: memory does not grow with the number of frames.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.files.atomic import reported
from vovtrack.files.packing import fill_npz
from vovtrack.files.streams import open_stream
from vovtrack.formats.csv_table import CsvTable
from vovtrack.formats.tapvid import write_one_truth
from vovtrack.structures.points import PlacedPoints, PointQueries

CSV_COLUMNS = ("frame", "time", "id", "name", "x", "y", "visible", "score")


class PointJsonWriter:
    """Writes what :func:`vovtrack.formats.point_json.read_point_results` reads.

    Each frame is a line ``{frame_index, time, points: [{id, x, y, visible, score}]}`` with the
    points that are followed there; before the frames stand ``names``, ``queries`` (frame, x, y)
    and ``facts``, after them how the run ended.

    Args:
        path: The file.
        queries: What is followed.
        facts: What else to say before the frames.

    Attributes:
        unfinished: Where it grows.
    """

    def __init__(self, path: str | Path, queries: PointQueries, facts: dict[str, Any]) -> None:
        self._draft = open_stream(path)
        self.unfinished = self._draft.temporary
        self._num_frames = 0
        head = dict(facts, names=queries.names, queries=queries.queries.tolist())
        self._draft.append(json.dumps(head)[:-1] + ', "frames": [')

    def write(self, placed: PlacedPoints, time: float | None = None) -> None:
        """Append a frame, at a second of the video."""
        columns = (placed.points, placed.visible, placed.scores)
        points = [
            dict(id=int(i), x=round(x, 3), y=round(y, 3), visible=seen, score=round(score, 6))
            for i, (x, y), seen, score in zip(
                np.flatnonzero(placed.followed),
                *(column[placed.followed].tolist() for column in columns),
                strict=True,
            )
        ]
        seconds = None if time is None else round(time, 6)
        row = json.dumps(dict(frame_index=self._num_frames, time=seconds, points=points))
        self._draft.append((",\n" if self._num_frames else "\n") + row)
        self._num_frames += 1

    def finish(self, reason: str | None = None, bad_frames: Sequence[str] = ()) -> None:
        """Say how the run ended, and give the file its name.

        Args:
            reason: What ended the run before the last frame; None if nothing did.
            bad_frames: Unreadable frames that were left out.
        """
        end = dict(
            complete=reason is None,
            reason=reason,
            num_frames=self._num_frames,
            bad_frames=list(bad_frames),
        )
        self._draft.append(f"\n], {json.dumps(end)[1:]}\n")
        self._draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()


class PointCsvWriter(CsvTable):
    """Writes a row for each point of each frame, with ``CSV_COLUMNS``.

    Args:
        path: The file.
        names: Of the points, safe for spreadsheets.
    """

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        super().__init__(path, CSV_COLUMNS)
        self._names = names
        self._num_frames = 0

    def write(self, placed: PlacedPoints, time: float | None = None) -> None:
        """Append a frame, at a second of the video."""
        second = "" if time is None else round(time, 6)
        rows = []
        for i in np.flatnonzero(placed.followed).tolist():
            x, y = placed.points[i].tolist()
            score = round(float(placed.scores[i]), 6)
            place = (round(x, 3), round(y, 3), int(placed.visible[i]), score)
            rows.append((self._num_frames, second, i, self._names[i], *place))
        self.append(rows)
        self._num_frames += 1


class _Columns:
    """Points frame by frame, and in the end point by point."""

    def __init__(self, num_points: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed at the end
        self._num_points = num_points
        self.num_frames = 0

    def write(self, placed: PlacedPoints) -> None:
        rows = np.column_stack([placed.points, placed.visible])
        self._file.write(rows.astype(np.float32).tobytes())
        self.num_frames += 1

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(N, T, 2) points, mapped, and (N, T) whether they are visible."""
        self._file.flush()
        shape = (self.num_frames, self._num_points, 3)
        rows = np.memmap(self._file, np.float32, "r", shape=shape).swapaxes(0, 1)
        return rows[..., :2], rows[..., 2] > 0

    def close(self) -> None:
        self._file.close()


class PointNpzWriter:
    """Writes the arrays ``points``, ``visible``, ``queries`` and ``names``.

    They are (N, T, 2) float32 pixels, (N, T) bool, (N, 3) float32 ``(t, x, y)`` and (N,). Before
    the frame of its query a point is hidden at its place there.

    Args:
        path: The file.
        queries: What is followed.

    Attributes:
        unfinished: What takes its name in the end.
    """

    def __init__(self, path: str | Path, queries: PointQueries) -> None:
        self._path, self._queries = path, queries
        self._draft = open_stream(path, "wb")
        self.unfinished = self._draft.temporary
        self._columns = _Columns(len(queries.names))

    def write(self, placed: PlacedPoints) -> None:
        """Append a frame."""
        with reported(self._path):
            self._columns.write(placed)

    def finish(self) -> None:
        """Write the file."""
        points, visible = self._columns.read()
        names = np.array(self._queries.names, dtype=np.str_)
        arrays = dict(points=points, visible=visible, queries=self._queries.queries, names=names)
        with reported(self._path):
            fill_npz(self._draft.file, arrays)
        self._draft.publish()
        self._columns.close()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()
        self._columns.close()


class PointPickleWriter:
    """Writes a video and its points in the form of TAP-Vid-DAVIS.

    That is ``{name: {video, points, occluded}}`` with points from 0 to 1 of the frame.

    Args:
        path: The file.
        name: Of the video.
        num_points: How many are followed.

    Attributes:
        unfinished: What takes its name in the end.
    """

    def __init__(self, path: str | Path, name: str, num_points: int) -> None:
        self._path, self._name = path, name
        self._draft = open_stream(path, "wb")
        self.unfinished = self._draft.temporary
        self._columns = _Columns(num_points)
        self._pixels = tempfile.TemporaryFile()  # noqa: SIM115  closed at the end
        self._frame_shape: tuple[int, ...] = ()

    def write(self, placed: PlacedPoints, frame: NDArray[np.uint8]) -> None:
        """Append a frame, (H, W, 3) uint8 RGB."""
        self._frame_shape = frame.shape
        with reported(self._path):
            self._pixels.write(np.ascontiguousarray(frame).tobytes())
            self._columns.write(placed)

    def finish(self) -> None:
        """Write the file."""
        points, visible = self._columns.read()
        height, width, _ = self._frame_shape
        count, size = self._columns.num_frames, height * width * 3
        self._pixels.seek(0)
        frames = (self._pixels.read(size) for _ in range(count))
        shape = (count, *self._frame_shape)
        with reported(self._path):
            scaled = points / np.array((width, height), dtype=np.float32)
            write_one_truth(self._draft.file, self._name, shape, frames, scaled, ~visible)
        self._draft.publish()
        self._close()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()
        self._close()

    def _close(self) -> None:
        self._columns.close()
        self._pixels.close()
