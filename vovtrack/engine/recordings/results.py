"""The tracked points of a recording: ours, or those of the robot scripts of Track-On."""

from __future__ import annotations

from vovtrack.engine.recordings.batch import RESULTS, Place
from vovtrack.errors import InputError
from vovtrack.formats.point_json import PointResults, read_point_results
from vovtrack.formats.robot_h5 import Camera, Recording


def results_of(
    place: Place, recording: Recording, camera: str | None = None
) -> list[tuple[Camera, PointResults]]:
    """The cameras of a recording that have tracked points, with them.

    Ours are ``<camera>_tracking_results.json`` in its folder. Without any,
    ``<recording>_tracking_results.json`` there or beside the recording is read, which does not say
    its camera.

    Args:
        place: The recording's name and folder.
        recording: The open recording.
        camera: Camera of results that do not name theirs; None for the only one.

    Raises:
        InputError: There are none, or they cannot be read.
    """
    found = [
        (one, read_point_results(place.results(one.name)))
        for one in recording.cameras.values()
        if place.results(one.name).is_file()
    ]
    if found:
        return found
    name = f"{place.path.stem}{RESULTS}"
    for path in (place.folder / name, place.path.with_name(name)):
        if path.is_file():
            return [(recording.camera(camera), read_point_results(path))]
    ours = place.results(next(iter(recording.cameras)))
    raise InputError(
        f"'{place.path}' has no tracked points: expected '{ours}' (see 'vovtrack robot track') or "
        f"'{name}' beside it."
    )
