"""Tracking a whole video into files: drawn video, JSON, MOTChallenge text."""

from __future__ import annotations

import json
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import IO

import numpy as np
from tqdm import tqdm

from vovtrack.datasets.video import FrameSource, read_video
from vovtrack.engine.build import load_tracker
from vovtrack.engine.online import OVOnlineTracker, Tracks
from vovtrack.files.atomic import atomic_write
from vovtrack.visualization import TrailMemory, VideoWriter, draw_tracks

DEFAULT_FPS = 25.0
"""Of a drawn video whose source has no rate of its own (folders of frames)."""


@dataclass(frozen=True)
class Outputs:
    """Paths of the files to write; None leaves one out."""

    video: str | None = None
    json: str | None = None
    mot: str | None = None

    def any(self) -> bool:
        """Whether there is anything to write."""
        return any(vars(self).values())


@dataclass(frozen=True)
class TrackingSummary:
    """What a tracked video held and where its results are."""

    num_frames: int
    num_tracks: int
    bad_frames: tuple[str, ...]
    interrupted: bool
    outputs: Outputs

    def __str__(self) -> str:
        lines = [f"{self.num_frames} frames, {self.num_tracks} tracks"]
        if self.interrupted:
            lines[0] += " (interrupted: what was done is kept)"
        if self.bad_frames:
            lines.append(f"{len(self.bad_frames)} unreadable frames skipped:")
            lines += [f"  {path}" for path in self.bad_frames]
        lines += [f"{name}: {path}" for name, path in vars(self.outputs).items() if path]
        return "\n".join(lines)


def track_video(
    source: str | Path,
    config: str,
    checkpoint: str | None = None,
    *,
    classes: str | list[str] | None = None,
    outputs: Outputs,
    device: str | None = None,
    amp: str | None = None,
    batch_size: int = 1,
    score_thr: float | None = None,
    max_frames: int | None = None,
    on_bad_frame: str = "error",
    trust_config: bool = False,
) -> TrackingSummary:
    """Track a video and write the results while it runs; memory does not grow with its length.

    Args:
        source: Video file, folder of frames, camera number or URL.
        config: Config name or path, see :func:`vovtrack.engine.build.load_tracker`.
        checkpoint: Weights; by default those of the config.
        classes: What to track.
        outputs: What to write.
        device: Where to compute.
        amp: Mixed precision.
        batch_size: Frames per network pass.
        score_thr: Report tracks above this score; by default the vocabulary's own threshold.
        max_frames: Stop after so many frames.
        on_bad_frame: ``error`` or ``skip``.
        trust_config: Run a ``.py`` config from outside of the project.

    Raises:
        InputError: Unusable source, classes, config or checkpoint; no file is written then.
    """
    frames = read_video(source, on_bad_frame=on_bad_frame, max_frames=max_frames)
    tracker = load_tracker(config, checkpoint, classes, device, amp, trust_config)
    threshold = tracker.draw_threshold if score_thr is None else score_thr
    track_ids: set[int] = set()
    num_frames, interrupted = 0, False
    with ExitStack() as stack:
        writers = _open(outputs, frames, tracker, str(source), stack)
        progress = stack.enter_context(tqdm(total=_length(frames, max_frames), unit="frame"))
        stop = stack.enter_context(_stop_between_frames())
        try:
            for frame, tracks in _track(tracker, frames, batch_size):
                shown = tracks.above(threshold)
                for writer in writers:
                    writer.write(frame, shown)
                track_ids.update(shown.track_ids.tolist())
                num_frames += 1
                progress.update()
                if interrupted := stop.is_set():
                    break
        except KeyboardInterrupt:
            interrupted = True
    bad_frames = tuple(map(str, frames.bad_frames))
    return TrackingSummary(num_frames, len(track_ids), bad_frames, interrupted, outputs)


@contextmanager
def _stop_between_frames() -> Iterator[Event]:
    """Let Ctrl-C set an event, so that all outputs end with one frame; twice, it interrupts."""
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _length(frames: FrameSource, max_frames: int | None) -> int | None:
    known = [n for n in (frames.num_frames, max_frames) if n is not None]
    return min(known, default=None)


def _track(
    tracker: OVOnlineTracker, frames: Iterable[np.ndarray], batch_size: int
) -> Iterator[tuple[np.ndarray, Tracks]]:
    batch: list[np.ndarray] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == batch_size:
            yield from zip(batch, tracker.step_batch(batch), strict=True)
            batch = []
    if batch:
        yield from zip(batch, tracker.step_batch(batch), strict=True)


def _open(
    outputs: Outputs, frames: FrameSource, tracker: OVOnlineTracker, source: str, stack: ExitStack
) -> list[DrawnVideo | TracksJson | TracksMot]:
    writers: list[DrawnVideo | TracksJson | TracksMot] = []
    if outputs.json:
        file = stack.enter_context(atomic_write(outputs.json))
        writers.append(stack.enter_context(TracksJson(file, source, tracker.names)))
    if outputs.mot:
        writers.append(TracksMot(stack.enter_context(atomic_write(outputs.mot))))
    if outputs.video:
        video = stack.enter_context(VideoWriter(outputs.video, frames.fps or DEFAULT_FPS))
        writers.append(DrawnVideo(video))
    return writers


class DrawnVideo:
    """Draws tracks with trails into a video."""

    def __init__(self, video: VideoWriter) -> None:
        self.video = video
        self.trails = TrailMemory()

    def write(self, frame: np.ndarray, tracks: Tracks) -> None:
        """Draw one frame."""
        self.trails.update(tracks.track_ids, tracks.bboxes)
        columns = (tracks.bboxes, tracks.track_ids, tracks.labels, tracks.scores)
        self.video.write(draw_tracks(frame, *columns, names=tracks.names, trails=self.trails))


class TracksJson:
    """Writes ``{video, classes, frames: [{frame_id, tracks: [...]}], tracks: [...]}``.

    Frames are written as they come: a track in a frame is ``{track_id, class, score, bbox}`` with
    the class that it has there and ``bbox`` (x1, y1, x2, y2) in pixels. At the end stands each
    track as a whole, ``{track_id, class, score, first_frame, last_frame, boxes}``: its most
    frequent class (of equally frequent ones the first of the list), the mean score, and how many
    frames show it.
    """

    def __init__(self, file: IO[str], source: str, names: tuple[str, ...]) -> None:
        self.file = file
        head = json.dumps(dict(video=source, classes=names))
        self.file.write(head[:-1] + ', "frames": [')
        self.separator = "\n"
        self.names = names
        self.histories: dict[int, _History] = defaultdict(_History)

    def write(self, frame: np.ndarray, tracks: Tracks) -> None:
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
        self.file.write(self.separator + json.dumps(dict(frame_id=tracks.frame_id, tracks=found)))
        self.separator = ",\n"

    def __enter__(self) -> TracksJson:
        return self

    def __exit__(self, *_) -> None:
        whole = [
            dict(track_id=i, **history.summary(self.names))
            for i, history in sorted(self.histories.items())
        ]
        rows = ",\n".join(map(json.dumps, whole))
        self.file.write(f'\n], "tracks": [\n{rows}\n]}}\n')


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


class TracksMot:
    """Writes MOTChallenge rows: frame from 1, id, x, y, w, h, score, class from 1, -1, -1."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, frame: np.ndarray, tracks: Tracks) -> None:
        """Append one frame."""
        columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
        for i, label, score, (x1, y1, x2, y2) in zip(*columns, strict=True):
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            self.file.write(f"{tracks.frame_id + 1},{i},{box},{score:.6f},{label + 1},-1,-1\n")
