"""Tracks as a table, in which the score of a lost object can be followed, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vovtrack.formats.csv_table import CsvTable
from vovtrack.structures import Tracks

COLUMNS = ("frame", "time", "track", "class", "x", "y", "width", "height", "score", "shown")


class TrackCsvWriter(CsvTable):
    """Writes a row for each track of each frame, with ``COLUMNS``.

    Frames count from 0, times are seconds, boxes in pixels; ``shown`` is 1 for tracks that the
    other files have.

    Args:
        path: The file.
        names: Of the classes, safe for spreadsheets.
        threshold: Score above which a track is shown.
    """

    def __init__(self, path: str | Path, names: Sequence[str], threshold: float) -> None:
        super().__init__(path, COLUMNS)
        self._names, self._threshold = names, threshold

    def write(self, tracks: Tracks, time: float | None = None) -> None:
        """Append a frame, at a second of the video."""
        second = "" if time is None else round(time, 6)
        columns = (tracks.track_ids, tracks.labels, tracks.bboxes, tracks.scores)
        rows = []
        for track, label, box, score in zip(*(c.tolist() for c in columns), strict=True):
            x1, y1, x2, y2 = box
            place = (round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1))
            seen = (round(score, 6), int(score > self._threshold))
            rows.append((tracks.frame_id, second, track, self._names[label], *place, *seen))
        self.append(rows)
