"""Tracking the labelled points of recordings, straight from their HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.engine.load import load_tracker, weights_of
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.point_queries import Chosen
from vovtrack.engine.recordings.batch import (
    Outcome,
    Place,
    find_recordings,
    read_note,
    work_through,
)
from vovtrack.engine.recordings.follow import follow
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.labelme import read_points
from vovtrack.formats.point_json import write_point_results
from vovtrack.formats.robot_h5 import Camera, Recording, open_recording
from vovtrack.structures.points import PointQueries


@dataclass(frozen=True)
class PointTrackerChoice:
    """Which tracker follows the points; it is loaded when the first recording needs it.

    Attributes:
        config: Config name or path, see :func:`vovtrack.engine.load.load_tracker`.
        tracker: A tracker by itself, in place of the config.
        checkpoint: Weights; by default those of the config.
        device: Where to compute.
        amp: Mixed precision.
        trust_config: Run a ``.py`` config from outside of the project.
    """

    config: str
    tracker: str | None = None
    checkpoint: str | None = None
    device: str | None = None
    amp: str | None = None
    trust_config: bool = False

    @cached_property
    def online(self) -> OnlineTracker:
        """The tracker, ready for frames."""
        return load_tracker(
            self.config,
            self.checkpoint,
            device=self.device,
            amp=self.amp,
            trust_config=self.trust_config,
            tracker=self.tracker,
        )

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the results depend on: model, fingerprint of the weights, settings, precision."""
        weights = None
        if self.tracker is None:
            weights = weights_of(self.config, self.checkpoint, self.trust_config)
        return dict(
            model=self.tracker or Path(self.config).stem,
            checkpoint_sha256=None if weights is None else file_sha256(weights),
            settings=dict(self.online.settings),
            amp=self.amp,
        )


def track_recordings(
    recordings: Sequence[str | Path],
    work: str | Path,
    tracker: PointTrackerChoice,
    *,
    chosen: Chosen | None = None,
    camera: str | None = None,
    progress: bool = False,
) -> Outcome:
    """Track the points of each camera, and write ``<camera>_tracking_results.json``.

    Results of an earlier run are kept where recording, points and tracker are the same.

    Args:
        recordings: HDF5 files, or folders of them.
        work: Folder of the labels, to which the results go.
        tracker: What follows the points.
        chosen: Points for cameras without labels; None leaves such cameras out.
        camera: Only this one.
        progress: Show a bar.

    Raises:
        InputError: No recordings, or a tracker that cannot be loaded.
        WriteError: The disk is full.
    """
    places = find_recordings(recordings, work)
    _ = tracker.facts  # what is wrong with the tracker is not the fault of each recording

    def step(place: Place, outcome: Outcome) -> bool:
        with open_recording(place.path) as recording:
            if camera is not None:
                recording.camera(camera)
            labelled = {
                name: labels
                for name, found in recording.cameras.items()
                if camera in (None, name) and (labels := _labels(place, found, chosen))
            }
            if not labelled:
                raise InputError(
                    f"'{place.path}' has no points to track: expected "
                    f"'{place.labels(camera or next(iter(recording.cameras)))}' (see 'vovtrack "
                    "robot label'), or --points or --grid."
                )
            new = [_track(place, recording, *item, tracker, progress) for item in labelled.items()]
            return any(new)

    return work_through(places, step, progress)


def _labels(place: Place, camera: Camera, chosen: Chosen | None) -> PointQueries | None:
    """The points of a camera: those of its file of labels before those of all."""
    path = place.labels(camera.name)
    if path.is_file():
        names, points = read_points(path, camera.width, camera.height)
        return PointQueries(np.insert(points, 0, 0, axis=1), names)
    return chosen(camera.width, camera.height) if chosen else None


def _track(
    place: Place,
    recording: Recording,
    name: str,
    labels: PointQueries,
    tracker: PointTrackerChoice,
    progress: bool,
) -> bool:
    """Track one camera, unless that is done; return whether it was not."""
    found = recording.cameras[name]
    facts = dict(
        recording=place.name,
        camera=name,
        width=found.width,
        height=found.height,
        num_frames=found.num_frames,
        fps=recording.fps,
        source=place.identity,
        tracker=tracker.facts,
        queries=labels.queries.tolist(),
        names=list(labels.names),
    )
    path = place.results(name)
    noted = read_note(path) or {}
    if all(noted.get(key) == value for key, value in facts.items()):
        return False
    keypoints = follow(tracker.online, found, labels.queries, progress=progress)
    write_point_results(path, labels.names, keypoints, facts)
    return True
