"""Tracking a whole video into files."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from threading import current_thread, main_thread

import numpy as np
from tqdm import tqdm

from vovtrack.datasets.video import BadFramePolicy, FrameSource, TimedFrame, read_video
from vovtrack.engine.behind import behind
from vovtrack.engine.box_words import DrawBoxes
from vovtrack.engine.drive import HELD_BYTES, OwedFrames, track_frames
from vovtrack.engine.load import load_tracker
from vovtrack.engine.point_files import point_openers
from vovtrack.engine.point_queries import Chosen
from vovtrack.engine.track_files import Outputs, TrackFiles, track_openers
from vovtrack.errors import InputError
from vovtrack.files.targets import guarded_inputs
from vovtrack.structures import Target
from vovtrack.structures.points import PointQueries

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""After which a run ends with the frame that it is at."""


@dataclass(frozen=True)
class TrackingSummary:
    """What a tracked video held and where its results are.

    Attributes:
        num_frames: Frames that were tracked.
        num_tracks: Tracks that were reported.
        bad_frames: Unreadable frames that were left out.
        outputs: The files.
        notes: What the user should know about the files.
        interrupted: Number of the signal that ended the run, 0 if none did.
    """

    num_frames: int
    num_tracks: int
    bad_frames: tuple[str, ...]
    outputs: Outputs
    notes: tuple[str, ...] = ()
    interrupted: int = 0

    def __str__(self) -> str:
        lines = [f"{self.num_frames} frames, {self.num_tracks} tracks"]
        if self.interrupted:
            lines[0] += " (interrupted: what was done is kept)"
        if self.bad_frames:
            lines.append(f"{len(self.bad_frames)} unreadable frames skipped:")
            lines += [f"  {path}" for path in self.bad_frames]
        if self.num_frames:
            lines += [f"{kind}: {path}" for kind, path in self.outputs.paths().items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def track_video(
    source: str | Path,
    config: str,
    checkpoint: str | None = None,
    *,
    target: Target | None = None,
    points: Chosen | None = None,
    drawn: DrawBoxes | None = None,
    outputs: Outputs,
    device: str | None = None,
    amp: str | None = None,
    batch_size: int = 1,
    score_thr: float | None = None,
    max_frames: int | None = None,
    on_bad_frame: BadFramePolicy = "error",
    held_bytes: int = HELD_BYTES,
    trust_config: bool = False,
    tracker: str | None = None,
) -> TrackingSummary:
    """Track a video and write the results while it runs.

    Decoding, network and writing overlap, some frames apart. Memory grows only with the number of
    tracks, of each of which some numbers are kept: frames wait for their tracks in
    ``held_bytes``, and are read a second time where a tracker gives its tracks later than that.

    Whatever ends the run, the results of the frames before are kept, those that the tracker still
    owes included, see :mod:`vovtrack.engine.track_files`.

    Args:
        source: Video file, folder of frames, camera number or URL.
        config: Config name or path, see :func:`vovtrack.engine.load.load_tracker`.
        checkpoint: Weights; by default those of the config.
        target: What to track; by default what the tracker follows by itself.
        points: Points to follow besides, for a size of frames; where they are all that is
            followed, the files are those of points.
        drawn: Boxes to follow besides, for the first frame; asked for once the tracker is loaded.
        outputs: What to write.
        device: Where to compute.
        amp: Mixed precision.
        batch_size: Frames per network pass.
        score_thr: Report tracks above this score; by default the vocabulary's own threshold.
        max_frames: Stop after so many frames.
        on_bad_frame: ``error`` or ``skip``.
        held_bytes: Memory for frames that are to be drawn and wait for their tracks.
        trust_config: Run a ``.py`` config from outside of the project.
        tracker: What links the detections in place of the config's own tracker, see
            :func:`vovtrack.engine.load.load_tracker`.

    Raises:
        InputError: Unusable source, target, config, checkpoint or outputs: no file is written
            then. Or an unreadable frame, after the results of those before it were written.
        WriteError: A disk is full.
    """
    if score_thr is not None and not 0 <= score_thr < 1:
        raise InputError(f"The score threshold is {score_thr}, expected 0 or more and less than 1.")
    if batch_size < 1:
        raise InputError(f"The batch size is {batch_size}, expected 1 or more.")
    with guarded_inputs(), ExitStack() as stack:
        frames = read_video(source, on_bad_frame=on_bad_frame, max_frames=max_frames)
        queries = None if points is None else points(frames.width, frames.height)
        if queries is not None:
            _check_frames(queries, frames)
            target = replace(target or Target(), points=queries.queries)
        _check_target(target, frames)
        online = load_tracker(config, checkpoint, None, device, amp, trust_config, tracker)
        timed = stack.enter_context(closing(frames.timed()))
        first = list(islice(timed, 1))
        if drawn is not None and first:
            boxes = drawn(first[0][0])
            target = replace(
                target or Target(),
                boxes=boxes.boxes, box_frames=boxes.box_frames, box_ids=boxes.box_ids,
            )  # fmt: skip
            _check_target(target, frames)
        online.start(first[0][0] if first else None, target)
        threshold = online.draw_threshold if score_thr is None else score_thr
        owed = OwedFrames(frames, outputs.need_frames, batch_size, held_bytes)
        stack.callback(owed.close)
        if queries is not None and target is not None and target.kinds == ("points",):
            files = TrackFiles(outputs, point_openers(frames, queries, threshold))
            counted = -1.0  # hidden points, too
        else:
            files = TrackFiles(outputs, track_openers(frames, online.names, threshold))
            counted = threshold
        track_ids: set[int] = set()
        failure: BaseException | None = None
        progress = tqdm(total=_length(frames, max_frames), unit="frame")
        with _signals_noted() as signals, progress:
            try:
                with behind(files.write) as write:
                    batches = _batches(chain(first, timed), batch_size, signals)
                    for frame, time, tracks in track_frames(online, batches, owed, progress.update):
                        write(frame, time, tracks)
                        track_ids.update(tracks.above(counted).track_ids.tolist())
            except BaseException as error:  # the results so far are kept, then it is raised
                failure = error
            files.finish(_reason(failure, signals), frames.bad_frames)
    if failure is not None and not signals:
        raise _with_place(failure, files, outputs)
    return TrackingSummary(
        num_frames=files.num_frames,
        num_tracks=len(track_ids),
        bad_frames=tuple(map(str, frames.bad_frames)),
        outputs=outputs,
        notes=(*files.notes, *_unreached(queries, files.num_frames)),
        interrupted=signals[0] if signals else 0,
    )


def _reason(failure: BaseException | None, signals: list[int]) -> str | None:
    """Why a run ended before the last frame, for the files."""
    if signals:
        return f"interrupted by {signal.Signals(signals[0]).name}"
    if failure is None:
        return None
    name = "" if isinstance(failure, InputError) else f"{type(failure).__name__}: "
    return f"{name}{failure}"


def _with_place(failure: BaseException, files: TrackFiles, outputs: Outputs) -> BaseException:
    """The error, with a word on what is kept of the results."""
    if type(failure) is not InputError or not files.num_frames:
        return failure
    places = ", ".join(outputs.paths().values())
    return InputError(f"{failure} The {files.num_frames} frames before it are kept in {places}.")


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Let the first signal be noted, so that all files end with one frame; a second interrupts."""
    noted: list[int] = []
    if current_thread() is not main_thread():
        yield noted
        return

    def note(number: int, _: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, note) for number in END_SIGNALS}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _check_frames(queries: PointQueries, frames: FrameSource) -> None:
    """Refuse points that begin after the video, if it is known how long that is."""
    late = queries.queries[:, 0] >= (np.inf if frames.num_frames is None else frames.num_frames)
    if late.any():
        frame, x, y = queries.queries[np.argmax(late)].tolist()
        raise InputError(
            f"The point {x:g},{y:g}@{frame:g} begins after '{frames.name}' has ended: its "
            f"{frames.num_frames} frames count from 0."
        )


def _check_target(target: Target | None, frames: FrameSource) -> None:
    """Refuse what lies outside, and boxes of frames after the video, if its length is known."""
    if target is None:
        return
    target.check_inside(frames.width, frames.height)
    if target.box_frames is None or frames.num_frames is None:
        return
    if (last := int(target.box_frames.max())) >= frames.num_frames:
        raise InputError(
            f"A box of frame {last} comes after '{frames.name}' has ended: its "
            f"{frames.num_frames} frames count from 0."
        )


def _unreached(queries: PointQueries | None, num_frames: int) -> list[str]:
    """A note on points whose frame did not come."""
    late = 0 if queries is None else int((queries.queries[:, 0] >= num_frames).sum())
    if not late:
        return []
    return [f"{late} points were not followed: frame {num_frames} and later ones did not come"]


def _length(frames: FrameSource, max_frames: int | None) -> int | None:
    known = [n for n in (frames.num_frames, max_frames) if n is not None]
    return min(known, default=None)


def _batches(
    frames: Iterator[TimedFrame], batch_size: int, signals: list[int]
) -> Iterator[list[TimedFrame]]:
    """Frames in batches, until a signal is noted; those before a failure come before it."""
    while not signals:
        batch: list[TimedFrame] = []
        try:
            for item in islice(frames, batch_size):
                batch.append(item)
        except InputError:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch
