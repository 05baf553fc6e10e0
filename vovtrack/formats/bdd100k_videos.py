"""BDD100K's box tracks and stills as records for training and testing."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal

from vovtrack.errors import InputError, one_of
from vovtrack.formats.bdd100k import (
    CLASSES,
    IGNORE,
    IGNORED,
    class_name,
    corners,
    frame_number,
    is_still,
    judge_label,
    read_frames,
)
from vovtrack.formats.checks import is_number
from vovtrack.structures.videos import NO_SIZE, FrameRecord, VideoRecord, VideoSet

Categories = Literal["box_track", "det"]


def read_bdd100k(path: str | Path, categories: Categories = "box_track") -> VideoSet:
    """Read labels in Scalabel's form, frames in any order.

    Corners in the file are the last pixels of a box; here its right and bottom edges are
    exclusive. Crowds and labels to ignore are left out. Tracks are numbered from 0 in each video,
    in file order of their first label. A frame that belongs to no video is one by itself, and each
    of its labels is an object of its own.

    Args:
        path: JSON file, or folder or ``.zip`` of such files.
        categories: Which there may be. ``box_track``: the eight of tracking and those to ignore.
            ``det``: also others, such as traffic lights and signs, which are left out.

    Returns:
        The images of a video lie in a folder of its name, stills in none; a file of tracks need
        not name them.

    Raises:
        InputError: A malformed file, frame or label, or a frame that occurs twice.
    """
    one_of("categories", categories, ("box_track", "det"))
    frames: dict[str, list[FrameRecord]] = defaultdict(list)
    tracks: dict[str, dict[str, int]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for file, frame in read_frames(path, stills=True):
        still, image = is_still(frame), str(frame.get("name") or "")
        place = f"image '{image}'" if still else _place(frame)
        if still and not image:
            raise InputError(f"{file}: a frame has neither 'videoName' nor 'name'.")
        labels = _usable(frame, place, file, categories, counts)
        video = image if still else frame["videoName"]
        ids = [
            position if still else tracks[video].setdefault(str(label["id"]), len(tracks[video]))
            for position, (label, _) in enumerate(labels)
        ]
        counts["another of whose track is in the same frame are kept"] += len(ids) - len(set(ids))
        boxes = (corners(label) for label, _ in labels)
        record = FrameRecord(
            number=0 if still else frame_number(frame),
            image=f"{video}/{image}" if image and not still else image,
            bboxes=[(x1, y1, x2 + 1, y2 + 1) for x1, y1, x2, y2 in boxes],
            labels=[number for _, number in labels],
            track_ids=ids,
            size=_size(frame),
        )
        frames[video].append(record)
    return VideoSet(
        CLASSES,
        [_record(path, name, frames[name]) for name in sorted(frames)],
        tuple(f"{path}: {count} labels {what}." for what, count in counts.items() if count),
    )


def _place(frame: dict[str, Any]) -> str:
    return f"frame {frame_number(frame)} of video '{frame['videoName']}'"


def _usable(
    frame: dict[str, Any], place: str, file: str, categories: Categories, counts: Counter[str]
) -> list[tuple[dict[str, Any], int]]:
    """Labels to learn from, each with its class; the others are counted."""
    kept = []
    for position, label in enumerate(frame.get("labels") or ()):
        name = class_name(label)
        if categories == "det" and isinstance(name, str) and name not in (*CLASSES, *IGNORED):
            counts[f"of category '{name}' are left out"] += 1
            continue
        reason, number = judge_label(label)
        if reason:
            raise InputError(f"{file}: label {position} of {place} ({name}): {reason}.")
        if number == IGNORE:
            counts["of crowds and objects to ignore are left out"] += 1
        else:
            kept.append((label, number))
    return kept


def _size(frame: dict[str, Any]) -> tuple[int, int]:
    """Width and height that a frame says its image has."""
    size: Any = frame.get("size")
    if not isinstance(size, dict) or not all(is_number(size.get(k)) for k in ("width", "height")):
        return NO_SIZE
    return int(size["width"]), int(size["height"])


def _record(path: str | Path, name: str, frames: list[FrameRecord]) -> VideoRecord:
    try:
        return VideoRecord.of(name, frames)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
