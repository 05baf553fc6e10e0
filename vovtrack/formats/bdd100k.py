"""BDD100K tracking labels in Scalabel JSON: frames with ``box2d`` labels.

A file holds a list of frames, or ``{"frames": [...]}``; a benchmark is one file, or a folder or
``.zip`` of files. A frame has ``videoName``, ``frameIndex`` (or ``index``) and ``labels``; a label
has ``id``, ``category``, ``box2d`` with corners in pixels, and ``attributes``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree, decode_json, read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.checks import is_number
from vovtrack.formats.faults import InputFaults

CLASSES = (
    "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
OTHER_NAMES = {
    "bike": "bicycle",
    "caravan": "car",
    "motor": "motorcycle",
    "person": "pedestrian",
    "van": "car",
}
IGNORED = ("other person", "trailer", "other vehicle")
IGNORE = -1
_CORNERS = ("x1", "y1", "x2", "y2")
_CROWD = ("crowd", "Crowd", "ignored", "Ignored")
_LAST_FRAME = 2**31 - 1


@dataclass
class BddVideo:
    """The labels of one video.

    Attributes:
        name: ``videoName``.
        frames: Frame numbers that occur.
        times: Frame number of each label.
        ids: Track name of each label, as text.
        classes: Position in ``CLASSES``, or ``IGNORE`` for crowds and ignored categories.
        corners: ``(x1, y1, x2, y2)`` of each label, as in the file.
    """

    name: str
    frames: set[int] = field(default_factory=set)
    times: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    corners: list[list[float]] = field(default_factory=list)

    def tracks(self) -> NDArray[np.int64]:
        """(N,) int64 number of each label's track."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(i, len(numbers)) for i in self.ids], dtype=np.int64)


def read_videos(path: str | Path, problems: InputFaults) -> dict[str, BddVideo]:
    """Read all frames and sort them by video.

    Args:
        path: JSON file, or folder or ``.zip`` of such files.
        problems: What happens to labels of unknown categories, with impossible boxes, or with an
            id that their frame already has.

    Returns:
        {name: video}, by name.

    Raises:
        InputError: A file is malformed, or a frame of a video occurs twice.
    """
    videos: dict[str, BddVideo] = {}
    for file, frame in read_frames(path):
        name, index = frame["videoName"], frame_number(frame)
        video = videos.setdefault(name, BddVideo(name))
        if index in video.frames:
            raise InputError(f"{file}: frame {index} of video '{name}' occurs twice.")
        video.frames.add(index)
        seen: set[str] = set()
        for position, label in enumerate(frame.get("labels") or ()):
            _add_label(video, index, label, seen, position, file, problems)
    return dict(sorted(videos.items()))


class BddFrame(NamedTuple):
    """A frame of a video.

    Attributes:
        video: ``videoName``.
        number: Its number in the video.
        name: File name of its image, empty where the file does not say.
    """

    video: str
    number: int
    name: str


def write_video(
    path: str | Path, frames: Iterable[tuple[BddFrame, Sequence[dict[str, Any]]]]
) -> None:
    """Write the tracks of one video, complete or not at all.

    Args:
        path: JSON file.
        frames: Each frame with its labels: ``id``, ``category`` and ``box`` (x1, y1, x2, y2) in
            pixels; ``score`` in results, ``attributes`` in ground truth. The file names the last
            pixel to the right and below, so that a box has at least one.
    """
    content = [
        dict(
            name=frame.name,
            videoName=frame.video,
            frameIndex=frame.number,
            labels=[
                dict(
                    id=str(label["id"]),
                    category=label["category"],
                    **{key: label[key] for key in ("score", "attributes") if key in label},
                    box2d=dict(zip(_CORNERS, _last_pixels(*label["box"]), strict=True)),
                )
                for label in labels
            ],
        )
        for frame, labels in frames
    ]
    with atomic_write(path) as file:
        json.dump(content, file)


def _last_pixels(x1: float, y1: float, x2: float, y2: float) -> tuple[float, ...]:
    """Corners with the right and bottom edge inside of the box."""
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)


def frame_number(frame: dict[str, Any]) -> Any:
    """What a frame says its number is."""
    return frame.get("frameIndex", frame.get("index"))


def is_still(frame: dict[str, Any]) -> bool:
    """Whether a frame belongs to no video."""
    return frame.get("videoName") is None and frame_number(frame) is None


def read_frames(path: str | Path, stills: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """The frames of all files in file order, each with the name of its file.

    Args:
        path: See :func:`read_videos`.
        stills: Take frames that belong to no video, too.

    Raises:
        InputError: A file is malformed.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() == ".zip":
        tree = FileTree(path)
        names = tree.names(".json")
        if not names:
            raise InputError(f"{path}: found no .json file in it.")
        contents: Iterator[tuple[str, Any]] = (
            (f"{path}/{name}", _decode(tree, name)) for name in names
        )
    else:
        contents = iter([(str(path), read_json(path, allow_nan=True))])
    for file, content in contents:
        frames = content.get("frames") if isinstance(content, dict) else content
        if not isinstance(frames, list):
            raise InputError(f"{file}: expected a list of frames, or an object with 'frames'.")
        for position, frame in enumerate(frames):
            yield file, _checked(frame, f"{file}: frame at position {position}", stills)


def _decode(tree: FileTree, name: str) -> Any:
    with tree.open(name) as file:
        return decode_json(file.read(), f"{tree.path}/{name}", allow_nan=True)


def _checked(frame: Any, place: str, stills: bool) -> dict[str, Any]:
    record: dict[str, Any] = frame if isinstance(frame, dict) else {}
    still = bool(stills and record and is_still(record))
    if not still and not isinstance(record.get("videoName"), str):
        raise InputError(f"{place} has no 'videoName'.")
    if not isinstance(record.get("labels"), (list, type(None))):
        raise InputError(f"{place}: 'labels' must be a list.")
    if still:
        return record
    index = frame_number(record)
    if type(index) is not int or not 0 <= index <= _LAST_FRAME:
        raise InputError(
            f"{place} has no 'frameIndex' or 'index' that is a whole number of 0 to {_LAST_FRAME}."
        )
    return record


def _add_label(
    video: BddVideo,
    index: int,
    label: Any,
    seen: set[str],
    position: int,
    file: str,
    problems: InputFaults,
) -> None:
    record = f"label {position} of frame {index} of video '{video.name}'"
    reason, number = judge_label(label, seen)
    if reason:
        problems.report(file, record, reason)
        return
    seen.add(str(label["id"]))
    video.times.append(index)
    video.ids.append(str(label["id"]))
    video.classes.append(number)
    video.corners.append(corners(label))


def corners(label: dict[str, Any]) -> list[float]:
    """``(x1, y1, x2, y2)`` of a label as in the file."""
    return [float(label["box2d"][key]) for key in _CORNERS]


def _box_fault(box: Any) -> str:
    """What is wrong with a box, or nothing."""
    if not isinstance(box, dict) or not all(is_number(box.get(key)) for key in _CORNERS):
        return "'box2d' must have finite numbers x1, y1, x2, y2"
    width, height = float(box["x2"]) - float(box["x1"]), float(box["y2"]) - float(box["y1"])
    if width < 0 or height < 0:
        return "its box has a negative size"
    return "" if math.isfinite(width * height) else "the area of its box is not finite"


def class_name(label: Any) -> Any:
    """The category of a label by the name that the benchmark gives it."""
    name = label.get("category") if isinstance(label, dict) else None
    return OTHER_NAMES.get(name, name) if isinstance(name, str) else name


def judge_label(label: Any, seen: Collection[str] = ()) -> tuple[str, int]:
    """What is wrong with a label, or nothing, and its class, ``IGNORE`` for regions to ignore.

    Args:
        label: Of ``labels`` of a frame.
        seen: Ids that it must not have.
    """
    if not isinstance(label, dict):
        return "this is not a JSON object", IGNORE
    if not isinstance(label.get("id"), (int, str)) or isinstance(label["id"], bool):
        return "'id' must be a text or a whole number", IGNORE
    if str(label["id"]) in seen:
        return "its id is already in this frame", IGNORE
    if reason := _box_fault(label.get("box2d")):
        return reason, IGNORE
    attributes = label.get("attributes") or {}
    if not isinstance(attributes, dict):
        return "'attributes' must be an object", IGNORE
    marks = [attributes[key] for key in _CROWD if key in attributes]
    if any(mark not in (None, False, True) for mark in marks):
        return "'crowd' and 'ignored' must be true or false", IGNORE
    name = class_name(label)
    if name in IGNORED or any(marks):
        return "", IGNORE
    if name not in CLASSES:
        return "its category is not one of BDD100K", IGNORE
    return "", CLASSES.index(name)
