"""Contact sheets, a table of quality and the accept list of tracked recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.engine.recordings.accept import write_list
from vovtrack.engine.recordings.batch import (
    Outcome,
    Place,
    find_recordings,
    read_note,
    work_through,
)
from vovtrack.engine.recordings.follow import follow
from vovtrack.engine.recordings.quality import Limits, PointQuality, ends, judge
from vovtrack.engine.recordings.results import results_of
from vovtrack.engine.recordings.sheet import write_sheet
from vovtrack.engine.recordings.track import PointTrackerChoice
from vovtrack.evaluation.reports.csv_tables import harmless, write_rows
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.point_json import (
    NOWHERE,
    PointResults,
    read_point_results,
    write_point_results,
)
from vovtrack.formats.robot_h5 import Camera, open_recording

TABLE = "quality.csv"
_COLUMNS = ("visible", "drops", "longest_hidden", "jump", "jump_frame", "backward")


def check_recordings(
    recordings: Sequence[str | Path],
    work: str | Path,
    tracker: PointTrackerChoice | None,
    *,
    camera: str | None = None,
    limits: Limits | None = None,
    progress: bool = False,
) -> tuple[Outcome, dict[str, list[str]]]:
    """Write a contact sheet per camera, ``quality.csv`` with a row per point, and the accept list.

    Args:
        recordings: HDF5 files, or folders of them.
        work: Folder of the results.
        tracker: Follows the points back from their ends, which shows those that were lost on the
            way; None leaves that out.
        camera: Camera of results that do not name theirs, see
            :func:`vovtrack.engine.recordings.results.results_of`.
        limits: What is in doubt.
        progress: Show a bar.

    Returns:
        What became of the recordings, and why each is in doubt, by name.

    Raises:
        InputError: No recordings, or a tracker that cannot be loaded.
        WriteError: The disk is full.
    """
    places = find_recordings(recordings, work)
    if tracker is not None:
        _ = tracker.facts  # what is wrong with the tracker is not the fault of each recording
    rows: list[list[object]] = []
    doubts: dict[str, list[str]] = {}

    def step(place: Place, outcome: Outcome) -> bool:
        table, reasons = _check(place, camera, tracker, limits or Limits(), outcome)
        doubts[place.name] = reasons + [
            f"{name}, point {number} ({point.name}) {doubt}"
            for name, points in table.items()
            for number, point in enumerate(points)
            for doubt in point.doubts
        ]
        for name, points in table.items():
            rows.extend([_row(place.name, name, n, point) for n, point in enumerate(points)])
        return True

    outcome = work_through(places, step, progress)
    if doubts:
        header = ("recording", "camera", "point", "name", *_COLUMNS, "doubts")
        write_rows(Path(work) / TABLE, header, rows)
        write_list(work, doubts)
    return outcome, doubts


def _row(recording: str, camera: str, number: int, point: PointQuality) -> list[object]:
    numbers = [getattr(point, column) for column in _COLUMNS]
    shown = [f"{n:.4g}" if isinstance(n, float) else n for n in numbers]
    place = (harmless(recording), harmless(camera), number, harmless(point.name))
    return [*place, *("" if n is None else n for n in shown), "; ".join(point.doubts)]


def _check(
    place: Place,
    camera: str | None,
    tracker: PointTrackerChoice | None,
    limits: Limits,
    outcome: Outcome,
) -> tuple[dict[str, list[PointQuality]], list[str]]:
    """Judge the points of the cameras that have results, and draw their sheets.

    Returns:
        The points by camera, and what is wrong with the results as a whole.
    """
    table, reasons = {}, []
    with open_recording(place.path) as recording:
        for found, results in results_of(place, recording, camera):
            keypoints = results.keypoints(found.num_frames)
            if results.num_frames != found.num_frames:
                frames = f"{results.num_frames} frames for {found.num_frames}"
                reasons.append(f"{found.name}: results of {frames}")
            back = None
            if tracker is not None:
                back = _followed_back(place, found, results, tracker)
                if results.facts.get("tracker") != tracker.facts:
                    told = f"{place.name}, {found.name}: followed back by {tracker.facts['model']}"
                    outcome.notes.append(f"{told}, which is not what tracked it, or not like this")
            size = found.width, found.height
            points = judge(results.names, keypoints, size, limits, back)
            table[found.name] = points
            jumps = [p.jump_frame for p in sorted(points, key=lambda p: -p.jump) if p.doubts]
            marked = [frame for frame in dict.fromkeys(jumps) if frame >= 0]
            title = f"{place.name}, {found.name}"
            write_sheet(place.sheet(found.name), title, found, results.names, keypoints, marked)
    return table, reasons


def _followed_back(
    place: Place, camera: Camera, results: PointResults, tracker: PointTrackerChoice
) -> NDArray[np.float32]:
    """The points of a camera followed back, (T, N, 3); kept from an earlier run if possible."""
    path = place.backward(camera.name)
    facts = dict(
        of_sha256=file_sha256(results.path),
        source=place.identity,
        tracker=tracker.facts,
    )
    noted = read_note(path) or {}
    if all(noted.get(key) == value for key, value in facts.items()):
        return read_point_results(path).keypoints(camera.num_frames)
    queries = ends(results.keypoints(camera.num_frames), (camera.width, camera.height))
    known = np.isfinite(queries).all(axis=1)
    back = np.tile(np.array(NOWHERE, np.float32), (camera.num_frames, len(queries), 1))
    if known.any():
        back[:, known] = follow(tracker.online, camera, queries[known], backwards=True)
    write_point_results(path, results.names, back, facts)
    return back
