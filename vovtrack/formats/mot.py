"""MOTChallenge text files: ``frame,id,x,y,w,h,conf,class,visibility`` with frames from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.structures import TrackSequence, Vocabulary

_MIN_COLUMNS = 7
_CLASS_COLUMN = 7
_LARGEST = 2**53  # whole numbers above it are not exact in a text of decimals


def write_sequence(sequence: TrackSequence, path: str | Path) -> None:
    """Write a sequence as a MOTChallenge result file (class columns -1, as the format asks).

    Boxes become ``x, y, w, h`` in pixels with three decimals. Rows without a track are left out.
    """
    with atomic_write(path) as file:
        for frame, track, box, score in zip(
            sequence.frame_ids, sequence.track_ids, sequence.bboxes, sequence.scores, strict=True
        ):
            if track >= 0:
                x, y = box[:2]
                w, h = box[2:] - box[:2]
                file.write(
                    f"{frame + 1},{track},{x:.3f},{y:.3f},{w:.3f},{h:.3f},{score:.6g},-1,-1,-1\n"
                )


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
        InputError: Unreadable file, a row that is no row, a frame outside the video, a track twice
            in one frame, an unknown class.
    """
    path = Path(path)
    vocabulary = vocabulary or Vocabulary.from_names(["object"])
    rows = _read_rows(path)
    frames = np.array([row[0] for row in rows], dtype=np.int64) - 1
    boxes = np.array([row[2:6] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    try:
        return TrackSequence(
            name=path.stem,
            width=width,
            height=height,
            num_frames=int(frames.max(initial=-1)) + 1 if num_frames is None else num_frames,
            frame_ids=frames,
            bboxes=boxes.astype(np.float32),
            track_ids=np.array([row[1] for row in rows], dtype=np.int64),
            labels=np.array([_label(row, vocabulary) for row in rows], dtype=np.int64),
            scores=np.array([row[6] for row in rows], dtype=np.float32),
            vocabulary=vocabulary,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _label(row: list[float], vocabulary: Vocabulary) -> int:
    if len(row) <= _CLASS_COLUMN or row[_CLASS_COLUMN] < 0:
        return 0
    return vocabulary.label_of(int(row[_CLASS_COLUMN]))


def _read_rows(path: Path) -> list[list[float]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file ({error}).") from None
    return [_parse(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]


def _parse(line: str, place: str) -> list[float]:
    try:
        row = [float(cell) for cell in line.split(",") if cell.strip()]
    except ValueError as error:
        raise InputError(f"{place}: {error}; expected comma-separated numbers.") from None
    if len(row) < _MIN_COLUMNS:
        raise InputError(f"{place}: {len(row)} columns, expected at least frame,id,x,y,w,h,conf.")
    if not np.isfinite(row).all():
        raise InputError(f"{place}: a value is not finite.")
    if any(abs(value) > _LARGEST or value != int(value) for value in row[:2]):
        raise InputError(f"{place}: frame and id must be whole numbers of at most 2^53.")
    return row
