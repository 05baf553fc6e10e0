"""The result files of a tracked video: drawn video, JSON, MOTChallenge text.

They grow frame by frame and keep what is done, whatever ends the run: under control (an
unreadable frame, Ctrl-C, a full disk elsewhere) they take their names and say that they are not
complete; after ``kill -9`` they stay as ``NAME.<word>.partial.json`` beside their destinations.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from vovtrack.datasets.video import FrameSource
from vovtrack.errors import WriteError
from vovtrack.files.streams import abandoned_partials, open_stream
from vovtrack.structures import Tracks
from vovtrack.visualization import TrackHistory, VideoWriter, draw_tracks

DEFAULT_FPS = 25.0
"""Of a drawn video whose source has no rate of its own (folders of frames)."""


@dataclass(frozen=True)
class Outputs:
    """Paths of the files to write; None leaves one out."""

    video: str | None = None
    json: str | None = None
    mot: str | None = None

    def paths(self) -> dict[str, str]:
        """The files to write, by kind."""
        return {kind: path for kind, path in vars(self).items() if path}


class ResultFile(Protocol):
    """One of the files.

    Attributes:
        unfinished: Where it grows.
    """

    unfinished: Path

    def write(self, frame: np.ndarray, time: float | None, tracks: Tracks) -> None:
        """Append a frame, (H, W, 3) uint8 RGB, with its second and its tracks."""

    def finish(self, reason: str | None, bad_frames: Sequence[str]) -> None:
        """Write what stands at the end, and give the file its name."""

    def discard(self) -> None:
        """Remove it."""


class TrackFiles:
    """All result files of one video.

    Args:
        outputs: What to write.
        frames: The source.
        names: Class names.

    Attributes:
        num_frames: Frames that are in all files.
        notes: What the user should know about the files.

    Raises:
        InputError: A place that must not be written to, or that another run is writing.
        WriteError: A folder cannot be written to.
    """

    def __init__(self, outputs: Outputs, frames: FrameSource, names: Sequence[str]) -> None:
        self.num_frames = 0
        self.notes = [
            f"a run that was killed left '{partial}'; delete it if you do not need it"
            for path in outputs.paths().values()
            for partial in abandoned_partials(path)
        ]
        self._files: list[ResultFile] = []
        kinds: dict[str, Callable[[str, FrameSource, Sequence[str]], ResultFile]] = {
            "json": TracksJson,
            "mot": TracksMot,
            "video": DrawnVideo,
        }
        try:
            for kind, path in outputs.paths().items():
                self._files.append(kinds[kind](path, frames, names))
        except BaseException:
            self._discard()
            raise

    def write(self, frame: np.ndarray, time: float | None, tracks: Tracks) -> None:
        """Append a frame to all files.

        Args:
            frame: (H, W, 3) uint8 RGB.
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
        self.notes += [note for file in self._files for note in getattr(file, "notes", ())]
        if problem is not None:
            raise problem

    def _discard(self) -> None:
        for file in self._files:
            file.discard()


class DrawnVideo:
    """Draws tracks with trails into a video that keeps the source's times, shape and sound."""

    def __init__(self, path: str, frames: FrameSource, names: Sequence[str]) -> None:
        self.video = VideoWriter(
            path,
            frames.fps or DEFAULT_FPS,
            keep=True,
            time_base=frames.time_base,
            pixel_aspect=frames.pixel_aspect,
            audio=frames.audio,
        )
        self.unfinished, self.notes = self.video.unfinished, self.video.notes
        self.history = TrackHistory()

    def write(self, frame: np.ndarray, time: float | None, tracks: Tracks) -> None:
        """Draw one frame."""
        self.history.move(tracks.track_ids, tracks.bboxes)
        self.history.vote(tracks.track_ids, tracks.labels)
        columns = (tracks.bboxes, tracks.track_ids, tracks.labels, tracks.scores)
        drawn = draw_tracks(frame, *columns, names=tracks.names, history=self.history)
        self.video.write(drawn, time)

    def finish(self, reason: str | None, bad_frames: Sequence[str]) -> None:
        """End the video with the last frame that was drawn."""
        self.video.finish()

    def discard(self) -> None:
        """Remove the video."""
        self.video.discard()


class TracksJson:
    """Writes frames as they come, one line each, and at the end each track as a whole.

    ``{video, classes, width, height, fps, frames: [{frame_id, time, tracks: [...]}], tracks:
    [...], complete, reason, num_frames, bad_frames}``. A track in a frame is ``{track_id, class,
    score, bbox}`` with the class that it has there and ``bbox`` (x1, y1, x2, y2) in pixels;
    ``time`` is in seconds since the start of the video, null if the source has none. A track as a
    whole is ``{track_id, class, score, first_frame, last_frame, boxes}``: its most frequent class
    (of equally frequent ones the first of the list), the mean score, and how many frames show it.
    ``complete`` is false where the run ended before the video, for that ``reason``.
    """

    def __init__(self, path: str, frames: FrameSource, names: Sequence[str]) -> None:
        self.draft = open_stream(path)
        self.unfinished = self.draft.temporary
        self.names = tuple(names)
        self.num_frames = 0
        self.histories: dict[int, _History] = defaultdict(_History)
        head = dict(
            video=frames.name,
            classes=self.names,
            width=frames.width,
            height=frames.height,
            fps=frames.fps,
        )
        self.draft.append(json.dumps(head)[:-1] + ', "frames": [')

    def write(self, frame: np.ndarray, time: float | None, tracks: Tracks) -> None:
        """Append one frame."""
        columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
        for i, label, score in zip(*(c.tolist() for c in columns[:3]), strict=True):
            self.histories[i].add(tracks.frame_id, label, score)
        found = [
            dict(
                track_id=int(i),
                **{"class": tracks.names[label]},
                score=round(float(score), 6),
                bbox=[round(float(v), 2) for v in bbox],
            )
            for i, label, score, bbox in zip(*columns, strict=True)
        ]
        seconds = None if time is None else round(time, 6)
        row = json.dumps(dict(frame_id=tracks.frame_id, time=seconds, tracks=found))
        self.draft.append((",\n" if self.num_frames else "\n") + row)
        self.num_frames += 1

    def finish(self, reason: str | None, bad_frames: Sequence[str]) -> None:
        """Append the tracks as a whole, and how the run ended."""
        whole = [
            dict(track_id=i, **history.summary(self.names))
            for i, history in sorted(self.histories.items())
        ]
        rows = ",\n".join(map(json.dumps, whole))
        end = dict(
            complete=reason is None,
            reason=reason,
            num_frames=self.num_frames,
            bad_frames=list(bad_frames),
        )
        self.draft.append(f'\n], "tracks": [\n{rows}\n], {json.dumps(end)[1:]}\n')
        self.draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self.draft.discard()


class TracksMot:
    """Writes MOTChallenge rows: frame from 1, id, x, y, w, h, score, class from 1, -1, -1."""

    def __init__(self, path: str, frames: FrameSource, names: Sequence[str]) -> None:
        self.draft = open_stream(path)
        self.unfinished = self.draft.temporary

    def write(self, frame: np.ndarray, time: float | None, tracks: Tracks) -> None:
        """Append one frame."""
        columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
        rows = []
        for i, label, score, (x1, y1, x2, y2) in zip(*columns, strict=True):
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            rows.append(f"{tracks.frame_id + 1},{i},{box},{score:.6f},{label + 1},-1,-1\n")
        self.draft.append("".join(rows))

    def finish(self, reason: str | None, bad_frames: Sequence[str]) -> None:
        """End with the last frame."""
        self.draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self.draft.discard()


@dataclass
class _History:
    """What is kept of a track until the video ends."""

    first_frame: int = -1
    last_frame: int = -1
    total_score: float = 0.0
    labels: Counter = field(default_factory=Counter)

    def add(self, frame_id: int, label: int, score: float) -> None:
        self.first_frame = frame_id if self.first_frame < 0 else self.first_frame
        self.last_frame = frame_id
        self.total_score += score
        self.labels[label] += 1

    def summary(self, names: tuple[str, ...]) -> dict:
        boxes = self.labels.total()
        label = min(self.labels, key=lambda label: (-self.labels[label], label))
        return {
            "class": names[label],
            "score": round(self.total_score / boxes, 6),
            "first_frame": self.first_frame,
            "last_frame": self.last_frame,
            "boxes": boxes,
        }
