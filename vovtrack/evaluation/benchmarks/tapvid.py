"""TAP-Vid: average Jaccard, position accuracy and occlusion accuracy of point tracks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.points import (
    RADII,
    RASTER,
    TAPVID,
    columns_of,
    count_tracks,
    empty_columns,
    scores,
)
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.files.archives import read_json
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tapvid import read_tracks, read_truth
from vovtrack.structures import PointTracks, PointTruth
from vovtrack.structures.points import MODES, sample_queries

PROTOCOL = "protocol.json"
"""Beside predictions: what of the tracker decided them."""
POINT_METRICS = ("AJ", "delta_avg", "OA")


@dataclass(frozen=True)
class PointSource:
    """Opened points, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        gt: Ground truth of each video.
        dt: Predictions of each video.
        mode: Which queries were asked.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    gt: tuple[PointTruth, ...]
    dt: tuple[PointTracks, ...]
    mode: str

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count videos ``first`` to ``last - 1``."""
        rows = [
            (np.zeros(1, dtype=np.int64), columns_of(self._counts(k))) for k in range(first, last)
        ]
        videos = self.videos[first:last]
        table = from_videos(TAPVID.name, videos, ("point",), None, rows, empty_columns())
        return {TAPVID.name: table}

    def per_point(self) -> dict[str, list[Any]]:
        """A table with a row for every query: ``columns`` and ``rows``.

        ``t``, ``x`` and ``y`` are the query in pixels of the raster, ``point`` is the row of the
        point in the ground truth; a score that does not exist is None.
        """
        rows: list[list[Any]] = []
        for k, name in enumerate(self.videos):
            truth, counts = self.gt[k], self._counts(k)
            queries, points = sample_queries(truth.points * RASTER, truth.occluded, self.mode)
            values = scores(counts)
            cells = np.column_stack([values[metric] for metric in POINT_METRICS])
            for query, (point, (t, y, x)) in enumerate(zip(points, queries, strict=True)):
                found = [None if np.isnan(value) else 100 * float(value) for value in cells[query]]
                evaluated = [int(counts[key][query]) for key in ("evaluated", "visible")]
                place = [int(t), float(x), float(y)]
                rows.append([name, query, int(point), *place, *found, *evaluated])
        columns = ["video", "query", "point", "t", "x", "y", *POINT_METRICS]
        return {"columns": [*columns, "frames", "visible_frames"], "rows": rows}

    def _counts(self, video: int) -> dict[str, np.ndarray]:
        return count_tracks(self.gt[video], self.dt[video], self.mode)


def open_source(gt: Path, pred: Path, problems: InputFaults, *, mode: str = "first") -> PointSource:
    """Open ground truth and predictions, see :mod:`vovtrack.formats.tapvid`.

    Args:
        gt: ``.npz``, folder of ``.npz``, or official ``.pkl``.
        pred: ``.npz`` or folder of ``.npz``.
        problems: What happens to videos that only one side has.
        mode: ``first`` or ``strided``: which queries the predictions answer, in the order of
            :func:`vovtrack.evaluation.scores.points.sample_queries`.

    Raises:
        InputError: Unusable files, an unknown mode, or predictions whose shape does not fit the
            queries.
    """
    one_of("mode", mode, MODES)
    made_by = _made_by(pred, mode)
    truth, found = read_truth(gt), read_tracks(pred)
    for name in sorted(set(found) - set(truth)):
        problems.report(pred, f"video '{name}'", "the ground truth has no such video")
    for name in sorted(set(truth) - set(found)):
        problems.report(pred, f"video '{name}'", "its predictions are missing")
    names = tuple(name for name in truth if name in found)
    if not names:
        raise InputError(f"{pred}: has no video of {gt}.")
    for name in names:
        _, points = sample_queries(truth[name].points, truth[name].occluded, mode)
        expected = (len(points), truth[name].occluded.shape[1])
        if found[name].occluded.shape != expected:
            raise InputError(
                f"{pred}: video '{name}' has {found[name].occluded.shape} (queries, frames); "
                f"mode '{mode}' asks for {expected}."
            )
    return PointSource(
        videos=names,
        sizes=np.array([found[name].occluded.size for name in names]),
        families=(TAPVID.name,),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(names),
            "mode": mode,
            "raster": RASTER,
            "thresholds": list(RADII),
            **made_by,
        },
        gt=tuple(truth[name] for name in names),
        dt=tuple(found[name] for name in names),
        mode=mode,
    )


def _made_by(pred: Path, mode: str) -> dict[str, Any]:
    """What a test noted beside its predictions, as ``tracker``.

    Raises:
        InputError: They answer the queries of another mode.
    """
    if not (pred / PROTOCOL).is_file():
        return {}
    noted = read_json(pred / PROTOCOL)
    if not isinstance(noted, dict) or noted.get("mode", mode) != mode:
        raise InputError(
            f"{pred / PROTOCOL}: the predictions are not of mode '{mode}'; give "
            f"--option mode={noted['mode'] if isinstance(noted, dict) else '...'}."
        )
    return {"tracker": noted}
