"""Tracks of one video as JSON: frame by frame, then each track as a whole.

``{video, classes, width, height, fps, frames: [{frame_id, time, tracks: [...]}], tracks: [...],
complete, reason, num_frames, bad_frames}``, with a frame per line. A track in a frame is
``{track_id, class, score, bbox}`` with the class that it has there and ``bbox`` (x1, y1, x2, y2) in
pixels; ``time`` is in seconds since the start of the video, null if the source has none. A track as
a whole is ``{track_id, class, score, first_frame, last_frame, boxes}``: its most frequent class (of
equally frequent ones the first of the list), the mean score, and how many frames show it.
``complete`` is false where the run ended before the video, for that ``reason``.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.streams import open_stream
from vovtrack.ops.voting import majority_class
from vovtrack.structures import Tracks, TrackSequence, Vocabulary


class TrackJsonWriter:
    """Writes tracks frame by frame; what is written survives a kill.

    Args:
        path: The file, see :mod:`vovtrack.files.streams`.
        names: Class names.
        video: What was tracked.
        width: Of its frames in pixels.
        height: Of its frames in pixels.
        fps: Its frames per second, None if it has no rate.

    Attributes:
        unfinished: Where it grows.
    """

    def __init__(
        self,
        path: str | Path,
        names: Sequence[str],
        *,
        video: str,
        width: int,
        height: int,
        fps: float | None,
    ) -> None:
        self._draft = open_stream(path)
        self.unfinished = self._draft.temporary
        self._names = tuple(names)
        self._num_frames = 0
        self._histories: dict[int, _History] = defaultdict(_History)
        head = dict(video=video, classes=self._names, width=width, height=height, fps=fps)
        self._draft.append(json.dumps(head)[:-1] + ', "frames": [')

    def write(self, tracks: Tracks, time: float | None = None) -> None:
        """Append the tracks of one frame.

        Args:
            tracks: They.
            time: Second of the frame, None if it has none.
        """
        columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
        for i, label, score in zip(*(c.tolist() for c in columns[:3]), strict=True):
            self._histories[i].add(tracks.frame_id, label, score)
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
        self._draft.append((",\n" if self._num_frames else "\n") + row)
        self._num_frames += 1

    def finish(self, reason: str | None = None, bad_frames: Sequence[str] = ()) -> None:
        """Append the tracks as a whole and how the run ended, and give the file its name.

        Args:
            reason: What ended the run before the last frame; None if nothing did.
            bad_frames: Unreadable frames that were left out.
        """
        whole = [
            dict(track_id=i, **history.summary(self._names))
            for i, history in sorted(self._histories.items())
        ]
        rows = ",\n".join(map(json.dumps, whole))
        end = dict(
            complete=reason is None,
            reason=reason,
            num_frames=self._num_frames,
            bad_frames=list(bad_frames),
        )
        self._draft.append(f'\n], "tracks": [\n{rows}\n], {json.dumps(end)[1:]}\n')
        self._draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()


@dataclass
class _History:
    """What is kept of a track until the video ends."""

    first_frame: int = -1
    last_frame: int = -1
    total_score: float = 0.0
    labels: Counter[int] = field(default_factory=Counter)

    def add(self, frame_id: int, label: int, score: float) -> None:
        self.first_frame = frame_id if self.first_frame < 0 else self.first_frame
        self.last_frame = frame_id
        self.total_score += score
        self.labels[label] += 1

    def summary(self, names: tuple[str, ...]) -> dict[str, Any]:
        boxes = self.labels.total()
        return {
            "class": names[majority_class(self.labels)],
            "score": round(self.total_score / boxes, 6),
            "first_frame": self.first_frame,
            "last_frame": self.last_frame,
            "boxes": boxes,
        }


def read_content(path: str | Path) -> dict[str, Any]:
    """Read a file as it is.

    Raises:
        InputError: It cannot be read, or is something else.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not {"frames", "classes"} <= content.keys():
        raise InputError(
            f"'{path}' does not come from 'vovtrack track --json'. Of TAO results give --gt, too."
        )
    if not isinstance(content["classes"], list):
        raise InputError(f"'{path}': 'classes' is not a list of names.")
    return content


def sequence_of(
    content: dict[str, Any], path: str | Path, width: int, height: int
) -> TrackSequence:
    """The tracks of a file, up to the last frame that has any.

    Args:
        content: Of :func:`read_content`.
        path: The file, for messages.
        width: Of the frames in pixels.
        height: Of the frames in pixels.

    Raises:
        InputError: A track lacks something, has an unknown class or is twice in a frame.
    """
    try:
        vocabulary = Vocabulary.from_names(content["classes"])
        rows = [
            (
                frame["frame_id"],
                found["bbox"],
                found["track_id"],
                vocabulary.names.index(found["class"]),
                found["score"],
            )
            for frame in content["frames"]
            for found in frame["tracks"]
        ]
        frame_ids, boxes, track_ids, labels, scores = zip(*rows, strict=True) if rows else [()] * 5
        return TrackSequence(
            name=Path(path).stem,
            width=width,
            height=height,
            num_frames=max(frame_ids, default=-1) + 1,
            frame_ids=np.array(frame_ids, dtype=np.int64),
            bboxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
            track_ids=np.array(track_ids, dtype=np.int64),
            labels=np.array(labels, dtype=np.int64),
            scores=np.array(scores, dtype=np.float32),
            vocabulary=vocabulary,
        )
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{path}': a track lacks or misnames {error}.") from None
