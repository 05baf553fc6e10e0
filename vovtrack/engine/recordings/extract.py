"""Videos to look at, and first frames to click points on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.engine.recordings.batch import (
    Outcome,
    Place,
    find_recordings,
    read_note,
    work_through,
    write_note,
)
from vovtrack.errors import InputError
from vovtrack.files.images import write_image
from vovtrack.formats.robot_h5 import Recording, open_recording
from vovtrack.visualization import VideoWriter

DEFAULT_FPS = 30.0
"""Of recordings that do not say their rate."""


def extract_recordings(
    recordings: Sequence[str | Path],
    work: str | Path,
    *,
    fps: float | None = None,
    lossless: bool = False,
    progress: bool = False,
) -> Outcome:
    """Write ``<camera>.mp4`` and ``<camera>.png``, the first frame, for each camera.

    What an earlier run with the same settings has written of an unchanged recording is kept.

    Args:
        recordings: HDF5 files, or folders of them.
        work: Folder to write to; each recording has a folder of its own in it.
        fps: Frames per second; by default as the recording says, or ``DEFAULT_FPS``.
        lossless: Write ``<camera>.mkv`` without loss instead. The first frame is always exact.
        progress: Show a bar.

    Raises:
        InputError: No recordings, or an impossible rate.
        WriteError: The disk is full.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise InputError(f"--fps is {fps}, expected more than 0 and at most 1000.")

    def step(place: Place, outcome: Outcome) -> bool:
        settings = dict(recording=place.identity, fps=fps, lossless=lossless)
        noted = read_note(place.note) or {}
        is_same = all(noted.get(key) == value for key, value in settings.items())
        if is_same and all(place.image(name).is_file() for name in place.cameras):
            return False
        with open_recording(place.path) as recording:
            _extract(recording, place, fps or recording.fps or DEFAULT_FPS, lossless)
            cameras = list(recording.cameras)
        write_note(place.note, {**settings, "cameras": cameras})
        return True

    return work_through(find_recordings(recordings, work), step, progress)


def _extract(recording: Recording, place: Place, fps: float, lossless: bool) -> None:
    """Write the videos of all cameras, or none, then their first frames."""
    firsts: dict[str, NDArray[np.uint8]] = {}
    with ExitStack() as stack:
        for name, camera in recording.cameras.items():
            path = place.folder / f"{name}{'.mkv' if lossless else '.mp4'}"
            video = stack.enter_context(VideoWriter(path, fps, lossless=lossless))
            for index in range(camera.num_frames):
                frame = camera.frame(index)
                firsts.setdefault(name, frame)
                video.write(frame)
    for name, frame in firsts.items():
        write_image(place.image(name), frame)
