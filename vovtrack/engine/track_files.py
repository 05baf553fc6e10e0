"""The result files of a tracked video: drawn video, JSON, MOTChallenge text, and those of points.

They grow frame by frame and keep what is done, whatever ends the run: under control (an
unreadable frame, Ctrl-C, a full disk elsewhere) they take their names and say that they are not
complete; after ``kill -9`` they stay as ``NAME.<word>.partial.json`` beside their destinations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vovtrack.datasets.video import FrameSource
from vovtrack.errors import InputError, WriteError
from vovtrack.evaluation.reports.csv_tables import harmless
from vovtrack.files.streams import abandoned_partials
from vovtrack.formats.mot.sequences import MotWriter
from vovtrack.formats.track_csv import TrackCsvWriter
from vovtrack.formats.track_json import TrackJsonWriter
from vovtrack.structures import Tracks
from vovtrack.visualization import DrawnVideo


@dataclass(frozen=True)
class Outputs:
    """Paths of the files to write; None leaves one out.

    Attributes:
        video: Drawn video.
        json: Tracks, or points, as JSON.
        mot: MOTChallenge text.
        csv: Tracks, or points, as a table.
        npz: Points as arrays.
        tapvid: Frames and points in the form of TAP-Vid-DAVIS.
    """

    video: str | None = None
    json: str | None = None
    mot: str | None = None
    csv: str | None = None
    npz: str | None = None
    tapvid: str | None = None

    @property
    def need_frames(self) -> bool:
        """Whether the pixels of the frames are written."""
        return self.video is not None or self.tapvid is not None

    def paths(self) -> dict[str, str]:
        """The files to write, by kind."""
        return {kind: path for kind, path in vars(self).items() if path}


class ResultFile(NamedTuple):
    """One of the files: where it grows, and what can be done with it."""

    unfinished: Path
    write: Callable[[np.ndarray | None, float | None, Tracks], None]
    finish: Callable[[str | None, Sequence[str]], None]
    discard: Callable[[], None]
    notes: Sequence[str] = ()


Opener = Callable[[str], ResultFile]
"""Begins a file of this name."""


class TrackFiles:
    """All result files of one video.

    Args:
        outputs: What to write.
        openers: What begins each kind of file, such as :func:`track_openers`.

    Attributes:
        num_frames: Frames that are in all files.
        notes: What the user should know about the files.

    Raises:
        InputError: A kind that nothing begins, a place that must not be written to, or one that
            another run is writing.
        WriteError: A folder cannot be written to.
    """

    def __init__(self, outputs: Outputs, openers: Mapping[str, Opener]) -> None:
        self.num_frames = 0
        self.notes = [
            f"a run that was killed left '{partial}'; delete it if you do not need it"
            for path in outputs.paths().values()
            for partial in abandoned_partials(path)
        ]
        self._files: list[ResultFile] = []
        if unfit := [kind for kind in outputs.paths() if kind not in openers]:
            raise InputError(
                f"A {unfit[0]} file holds points: name some to follow, with --points, --grid or "
                "--points-from."
            )
        try:
            for kind, path in outputs.paths().items():
                self._files.append(openers[kind](path))
        except BaseException:
            self._discard()
            raise

    def write(self, frame: np.ndarray | None, time: float | None, tracks: Tracks) -> None:
        """Append a frame to all files.

        Args:
            frame: (H, W, 3) uint8 RGB; None where no video is drawn.
            time: Its second, None if it has none.
            tracks: What was tracked in it.

        Raises:
            WriteError: A disk is full. That file stays unfinished, the others can be finished.
        """
        for file in list(self._files):
            try:
                file.write(frame, time, tracks)
            except WriteError as error:
                self._files.remove(file)
                raise WriteError(f"{error} Its beginning is in '{file.unfinished}'.") from error
        self.num_frames += 1

    def finish(self, reason: str | None = None, bad_frames: Sequence[str] = ()) -> None:
        """Give the files their names; those of a run without frames are removed.

        Args:
            reason: What ended the run before the last frame; None if nothing did.
            bad_frames: Unreadable frames that were left out.

        Raises:
            WriteError: A disk is full; what can be finished is.
        """
        if not self.num_frames:
            self._discard()
            return
        problem = None
        for file in self._files:
            try:
                file.finish(reason, bad_frames)
            except WriteError as error:
                problem = WriteError(f"{error} Its beginning is in '{file.unfinished}'.")
        self.notes += [note for file in self._files for note in file.notes]
        if problem is not None:
            raise problem

    def _discard(self) -> None:
        for file in self._files:
            file.discard()


def track_openers(frames: FrameSource, names: Sequence[str], threshold: float) -> dict[str, Opener]:
    """What begins the files of tracked objects, by kind.

    Args:
        frames: The source.
        names: Class names.
        threshold: Score above which tracks are shown; a table has the others, too.
    """

    def shown(open_file: Callable[[str], ResultFile]) -> Opener:
        def begin(path: str) -> ResultFile:
            file = open_file(path)
            return file._replace(
                write=lambda frame, time, tracks: file.write(frame, time, tracks.above(threshold))
            )

        return begin

    return dict(
        json=shown(lambda path: _open_json(path, frames, names)),
        mot=shown(open_mot),
        video=shown(lambda path: _open_video(path, frames)),
        csv=lambda path: _open_csv(path, names, threshold),
    )


def _open_csv(path: str, names: Sequence[str], threshold: float) -> ResultFile:
    file = TrackCsvWriter(path, tuple(map(harmless, names)), threshold)
    return ResultFile(
        file.unfinished,
        lambda frame, time, tracks: file.write(tracks, time),
        lambda reason, bad_frames: file.finish(),
        file.discard,
    )


def _open_json(path: str, frames: FrameSource, names: Sequence[str]) -> ResultFile:
    file = TrackJsonWriter(
        path,
        names,
        video=frames.name,
        width=frames.width,
        height=frames.height,
        fps=frames.fps,
    )
    return ResultFile(
        file.unfinished,
        lambda frame, time, tracks: file.write(tracks, time),
        file.finish,
        file.discard,
    )


def open_mot(path: str, shown: Callable[[Tracks], Tracks] = lambda tracks: tracks) -> ResultFile:
    """Begin a file of MOTChallenge text.

    Args:
        path: The file.
        shown: Which of a frame's tracks it holds.
    """
    file = MotWriter(path)
    return ResultFile(
        file.unfinished,
        lambda frame, time, tracks: file.write(shown(tracks)),
        lambda reason, bad_frames: file.finish(),
        file.discard,
    )


def video_facts(frames: FrameSource) -> dict[str, Any]:
    """What a drawn video has of its source: times, the shape of pixels and sound."""
    return dict(
        keep=True,
        time_base=frames.time_base,
        pixel_aspect=frames.pixel_aspect,
        audio=frames.audio,
    )


def _open_video(path: str, frames: FrameSource) -> ResultFile:
    video = DrawnVideo(path, frames.fps, **video_facts(frames))

    def write(frame: np.ndarray | None, time: float | None, tracks: Tracks) -> None:
        assert frame is not None, "pixels are kept where a video is drawn"
        video.write(frame, tracks, time)

    return ResultFile(
        video.unfinished,
        write,
        lambda reason, bad_frames: video.finish(),
        video.discard,
        video.notes,
    )
