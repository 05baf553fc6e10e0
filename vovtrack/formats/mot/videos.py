"""Sequences of MOT17, MOT20, DanceTrack and SportsMOT as records for training and testing."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError, one_of
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.folders import GT, INFO, SequenceInfo
from vovtrack.formats.mot.rows import MotRows, parse_rows, read_rows
from vovtrack.structures.videos import NO_TRACK, FrameRecord, VideoRecord, VideoSet

CLASSES = ("pedestrian",)
PEDESTRIAN = 1
Part = Literal["all", "first_half", "second_half"]
PARTS: tuple[Part, ...] = ("all", "first_half", "second_half")


def part_of(num_frames: int, part: Part) -> range:
    """Frames of a sequence, from 0, that a part has: the first half has ``N // 2 + 1``."""
    one_of("part", part, PARTS)
    middle = min(num_frames // 2 + 1, num_frames)
    halves = {"first_half": range(middle), "second_half": range(middle, num_frames)}
    return halves.get(part, range(num_frames))


def list_sequences(path: str | Path, names: str = "*") -> dict[str, SequenceInfo]:
    """Sequences of a folder, by name.

    Args:
        path: Folder of ``<sequence>/seqinfo.ini``.
        names: Pattern of their names, such as ``*-FRCNN``: MOT17 has each sequence three times.

    Raises:
        InputError: There are none, or a ``seqinfo.ini`` lacks something.
    """
    if not Path(path).is_dir():
        raise InputError(f"The folder of sequences '{path}' does not exist.")
    files = sorted(Path(path).glob(f"*/{INFO}"))
    found = {
        file.parent.name: SequenceInfo.parse(
            FileTree(file.parent).read_text(INFO), f"{path}/{file.parent.name}/{INFO}"
        )
        for file in files
        if fnmatch(file.parent.name, names)
    }
    if not found:
        raise InputError(f"{path}: found no <sequence>/{INFO} of a name like '{names}' in it.")
    return found


def read_mot(
    path: str | Path,
    names: str = "*",
    part: Part = "all",
    digits: int = 6,
    min_visibility: float = 0.0,
    min_identity_visibility: float = 0.0,
) -> VideoSet:
    """Read sequences with their ground truth; those without have no boxes, which is noted.

    Only pedestrians count (class 1); rows that are not to be evaluated (confidence 0) are kept,
    as the released training does. Tracks are numbered from 0 over all sequences, by time. Boxes
    outside the image or narrower or lower than a pixel are left out, others are not clipped.

    Args:
        path: Folder of ``<sequence>/{seqinfo.ini,gt/gt.txt,img1/}``.
        names: See :func:`list_sequences`.
        part: See :func:`part_of`; frames of a half are numbered from 0.
        digits: Of the file names of the images: 6, and 8 in DanceTrack.
        min_visibility: Boxes of objects of which less is seen are left out.
        min_identity_visibility: Boxes of objects of which less is seen have no track.

    Raises:
        InputError: A file is missing or malformed; see :func:`~vovtrack.formats.mot.rows.read_rows`
            for its rows.
    """
    videos, missing, known = [], [], 0
    for name, info in list_sequences(path, names).items():
        tree = FileTree(Path(path, name))
        if GT not in tree:
            missing.append(name)
            rows = parse_rows("", f"{path}/{name}/{GT}")
        else:
            rows = read_rows(tree, GT, info.num_frames, InputFaults())
        frames = part_of(info.num_frames, part)
        own = rows.select((rows.classes == PEDESTRIAN) & np.isin(rows.frames - 1, frames))
        own = own.select(np.argsort(own.frames, kind="stable"))
        tracks = known + _by_appearance(own.tracks)
        known = int(tracks.max(initial=known - 1)) + 1
        tracks[own.visibilities < min_identity_visibility] = NO_TRACK
        kept = _inside(own, info) & (own.visibilities >= min_visibility)
        columns = own.select(kept), tracks[kept]
        videos.append(_record(name, info, frames, digits, *columns))
    notes = f"{path}: no {GT} of {', '.join(missing)}: their frames have no boxes."
    return VideoSet(CLASSES, videos, (notes,) if missing else ())


def _by_appearance(tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number tracks by their first row: (N,) ids to (N,) numbers from 0."""
    _, first, inverse = np.unique(tracks, return_index=True, return_inverse=True)
    numbers: NDArray[np.int64] = np.argsort(np.argsort(first))[inverse]
    return numbers


def _inside(rows: MotRows, info: SequenceInfo) -> NDArray[np.bool_]:
    """Rows whose box shows a pixel of the image and has one: (N,) bool."""
    starts, sizes = rows.bboxes[:, :2], rows.bboxes[:, 2:]
    meets = (starts < (info.width, info.height)) & (starts + sizes > 0)
    return np.asarray((meets & (sizes >= 1)).all(axis=1))


def _record(
    name: str,
    info: SequenceInfo,
    frames: range,
    digits: int,
    rows: MotRows,
    tracks: NDArray[np.int64],
) -> VideoRecord:
    ends = np.searchsorted(rows.frames, [*frames, frames.stop], side="right")
    corners = np.hstack([rows.bboxes[:, :2], rows.bboxes[:, :2] + rows.bboxes[:, 2:]])
    return VideoRecord.of(
        name,
        (
            FrameRecord(
                number=frame - frames.start,
                image=f"{name}/{info.pictures}/{frame + 1:0{digits}d}{info.suffix}",
                bboxes=corners[first:last],
                labels=np.zeros(last - first),
                track_ids=tracks[first:last],
                size=(info.width, info.height),
            )
            for frame, first, last in zip(frames, ends[:-1], ends[1:], strict=True)
        ),
    )
