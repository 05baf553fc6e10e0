"""The tracks of one video as MOTChallenge text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.files.streams import open_stream
from vovtrack.formats.mot.rows import MotRows, parse_rows
from vovtrack.structures import Tracks, TrackSequence, Vocabulary


class MotWriter:
    """Writes tracks frame by frame: frame from 1, id, x, y, w, h, score, class from 1, -1, -1.

    What is written survives a kill, see :mod:`vovtrack.files.streams`.

    Args:
        path: The file.

    Attributes:
        unfinished: Where it grows.
    """

    def __init__(self, path: str | Path) -> None:
        self._draft = open_stream(path)
        self.unfinished = self._draft.temporary

    def write(self, tracks: Tracks) -> None:
        """Append the tracks of one frame."""
        columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
        rows = []
        for i, label, score, (x1, y1, x2, y2) in zip(*columns, strict=True):
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            rows.append(f"{tracks.frame_id + 1},{i},{box},{score:.6f},{label + 1},-1,-1\n")
        self._draft.append("".join(rows))

    def finish(self) -> None:
        """Give the file its name."""
        self._draft.publish()

    def discard(self) -> None:
        """Remove the file."""
        self._draft.discard()


def read_sequence(
    path: str | Path,
    width: int,
    height: int,
    num_frames: int | None = None,
    vocabulary: Vocabulary | None = None,
) -> TrackSequence:
    """Read a MOTChallenge ground-truth or result file.

    Args:
        path: Text file with at least seven comma-separated columns.
        width: Image width in pixels (``seqinfo.ini`` has it).
        height: Image height in pixels.
        num_frames: Length of the video; default: the last frame in the file.
        vocabulary: Classes by category id; a class column of -1, or none, means the first class.
            Default: one class, "object".

    Raises:
        InputError: Unreadable file, a malformed row, a frame outside the video, a track twice
            in one frame, an unknown class.
    """
    path = Path(path)
    vocabulary = vocabulary or Vocabulary.from_names(["object"])
    rows = parse_rows(FileTree(path.parent).read_text(path.name), path)
    if not (finite := rows.finite()).all():
        raise InputError(f"{path}, line {rows.lines[~finite][0]}: a number is not finite.")
    frames, starts = rows.frames - 1, rows.bboxes[:, :2]
    try:
        return TrackSequence(
            name=path.stem,
            width=width,
            height=height,
            num_frames=int(frames.max(initial=-1)) + 1 if num_frames is None else num_frames,
            frame_ids=frames,
            bboxes=np.hstack([starts, starts + rows.bboxes[:, 2:]]).astype(np.float32),
            track_ids=rows.tracks,
            labels=_labels(rows, vocabulary),
            scores=rows.confidences.astype(np.float32),
            vocabulary=vocabulary,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _labels(rows: MotRows, vocabulary: Vocabulary) -> NDArray[np.int64]:
    labels = [0 if number < 0 else vocabulary.label_of(int(number)) for number in rows.classes]
    return np.array(labels, dtype=np.int64)
