"""Key points into copies of the recordings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vovtrack.engine.recordings.accept import read_decisions
from vovtrack.engine.recordings.batch import (
    Outcome,
    Place,
    find_recordings,
    read_note,
    work_through,
)
from vovtrack.engine.recordings.results import results_of
from vovtrack.errors import InputError, one_of
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.point_json import PointResults
from vovtrack.formats.robot_h5 import (
    Camera,
    Recording,
    add_keypoints,
    open_recording,
    read_keypoints,
)

Mismatch = Literal["refuse", "fit", "copy"]
MISMATCHES: tuple[Mismatch, ...] = ("refuse", "fit", "copy")
"""What is done where results have not as many frames as the recording: leave the recording out and
say so; give frames without a result no place, and drop results without a frame; copy the recording
without key points, as the first scripts of this kind did."""
_SOURCE = "recording_sha256"


class _Addition(NamedTuple):
    """Key points of one camera, and what is said of them."""

    keypoints: NDArray[np.float32]
    facts: dict[str, Any]


def write_recordings(
    recordings: Sequence[str | Path],
    work: str | Path,
    out: str | Path,
    *,
    camera: str | None = None,
    on_mismatch: Mismatch = "refuse",
    dry_run: bool = False,
    progress: bool = False,
) -> Outcome:
    """Write copies ``<out>/<name>.h5`` with the group ``keypoints``; originals stay as they are.

    Recordings that the accept list of the work folder refuses are left out. A copy that is there
    already, of the same recording with the same key points, is kept.

    Args:
        recordings: HDF5 files, or folders of them.
        work: Folder of the results and of the accept list.
        out: Folder to write to.
        camera: Camera of results that do not name theirs, see
            :func:`vovtrack.engine.recordings.results.results_of`.
        on_mismatch: One of ``MISMATCHES``.
        dry_run: Check everything and write nothing.
        progress: Show a bar.

    Raises:
        InputError: No recordings, an unknown policy, or an accept list that cannot be read.
        WriteError: The disk is full.
    """
    one_of("on_mismatch", on_mismatch, MISMATCHES)
    places = find_recordings(recordings, work)
    decisions = read_decisions(work)
    refused = [place.name for place in places if not decisions.get(place.name, not decisions)]

    def step(place: Place, outcome: Outcome) -> bool:
        target = Path(out) / f"{place.name}{place.path.suffix}"
        with open_recording(place.path) as recording:
            additions = {
                found.name: _addition(place, recording, found, results, on_mismatch, outcome)
                for found, results in results_of(place, recording, camera)
            }
        kept = {name: found for name, found in additions.items() if found is not None}
        fingerprint = file_sha256(place.path)
        for addition in kept.values():
            addition.facts[_SOURCE] = fingerprint
        if target.exists() and _is_written(target, kept, fingerprint):
            return False
        if not dry_run:
            _write(place.path, target, kept)
        return True

    accepted = [place for place in places if place.name not in refused]
    outcome = work_through(accepted, step, progress)
    outcome.notes += [f"'{name}' is not accepted and left out" for name in refused]
    return outcome


def _addition(
    place: Place,
    recording: Recording,
    camera: Camera,
    results: PointResults,
    on_mismatch: Mismatch,
    outcome: Outcome,
) -> _Addition | None:
    """What is added for a camera; None if the recording is to be copied alone."""
    if results.num_frames != camera.num_frames:
        told = (
            f"'{results.path}' has {results.num_frames} frames, camera {camera.name} of "
            f"'{recording.path}' {camera.num_frames}"
        )
        if on_mismatch == "refuse":
            raise InputError(
                f"{told}: track it again, or choose --on-mismatch {' or '.join(MISMATCHES[1:])}."
            )
        if on_mismatch == "copy":
            outcome.notes.append(f"{told}: copied without key points")
            return None
        outcome.notes.append(f"{told}: fitted")
    size = results.facts.get("width"), results.facts.get("height")
    if None not in size and size != (camera.width, camera.height):
        raise InputError(
            f"'{results.path}' was made for frames of {size[0]}x{size[1]}, camera {camera.name} of "
            f"'{recording.path}' has {camera.width}x{camera.height}."
        )
    tracker = results.facts.get("tracker")
    told_of = tracker if isinstance(tracker, dict) else {}
    facts = dict(
        names=list(results.names),
        columns=["x", "y", "visible"],
        image_size=[camera.width, camera.height],
        fps=recording.fps or (read_note(place.note) or {}).get("fps"),
        model=told_of.get("model"),
        checkpoint_sha256=told_of.get("checkpoint_sha256"),
    )
    known = {key: value for key, value in facts.items() if isinstance(value, (str, float, list))}
    return _Addition(results.keypoints(camera.num_frames), known)


def _write(recording: Path, target: Path, additions: dict[str, _Addition]) -> None:
    """Copy a recording, with its key points if it has any."""
    if not additions:
        with open(recording, "rb") as original, atomic_write(target, "wb") as copy:
            shutil.copyfileobj(original, copy)
        return
    keypoints = {name: found.keypoints for name, found in additions.items()}
    facts = {name: found.facts for name, found in additions.items()}
    add_keypoints(recording, target, keypoints, facts)


def _is_written(target: Path, additions: dict[str, _Addition], fingerprint: str) -> bool:
    """Whether a file holds these key points already.

    Raises:
        InputError: It is a file that this step did not write: it is not replaced.
    """
    written = read_keypoints(target)
    is_plain_copy = file_sha256(target) == fingerprint
    sources = [facts.get(_SOURCE) for _, facts in written.values()]
    if not is_plain_copy and fingerprint not in sources:
        raise InputError(
            f"'{target}' exists and was not made from this recording: choose another folder for "
            "--out, or remove it."
        )
    if not additions:
        return is_plain_copy
    return all(
        name in written
        and np.array_equal(written[name][0], found.keypoints)
        and all(_same(written[name][1].get(key), value) for key, value in found.facts.items())
        for name, found in additions.items()
    )


def _same(stored: Any, value: Any) -> bool:
    return np.array_equal(np.asarray(stored), np.asarray(value)) if stored is not None else False
