"""TAO annotation files: reading, checking, and turning them into sequences.

A TAO file is one JSON object with ``videos``, ``images``, ``tracks``, ``annotations`` and
``categories``. Images are ordered by ``frame_index`` inside a video; ``frame_id``, where present,
numbers them 0, 1, 2, ... Boxes are ``(x, y, w, h)`` in pixels of the original image. Result files
are the business of :mod:`vovtrack.formats.tao.results`.
"""

from __future__ import annotations

import math
import reprlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.formats.checks import is_box, is_id, is_number
from vovtrack.structures import TrackSequence, Vocabulary
from vovtrack.structures.vocabulary import from_categories

LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
"""What a video says of categories: absent, and not everywhere annotated."""
_REQUIRED: dict[str, dict[str, type]] = {
    "videos": {"id": int, "name": str, "width": int, "height": int},
    "images": {"id": int, "video_id": int, "frame_index": int, "width": int, "height": int},
    "tracks": {"id": int, "category_id": int, "video_id": int},
    "annotations": {
        "id": int,
        "image_id": int,
        "track_id": int,
        "category_id": int,
        "video_id": int,
        "bbox": list,
    },
    "categories": {"id": int, "name": str},
}


def read_annotations(path: str | Path) -> dict[str, Any]:
    """Read a TAO annotation file and check everything later code relies on.

    Boxes may reach over the border of the image, as some in TAO do, but not lie outside of it.

    Args:
        path: JSON file.

    Returns:
        The content as read.

    Raises:
        InputError: The file cannot be read, is not JSON, lacks a required key, repeats an id,
            refers to something that is not there, orders the frames of a video wrongly, or holds
            an impossible box. The message names the file, the key and the video or annotation.
    """
    path = Path(path)
    content = _load(path)
    check_annotations(content, path)
    return content


def check_annotations(content: dict[str, Any], path: str | Path, ordered: bool = True) -> None:
    """Check what is read already, see :func:`read_annotations`; ``path`` is for messages.

    ``ordered=False`` looks at every row by itself only, not at its place and what it refers to.
    """
    checker = _Checker(Path(path), content)
    checker.check() if ordered else checker.check_tables()


def read_sequences(path: str | Path, vocabulary: Vocabulary | None = None) -> list[TrackSequence]:
    """Read a TAO annotation file as one :class:`TrackSequence` per video, with scores of 1.

    Args:
        path: JSON file.
        vocabulary: Classes of the labels; default: the file's own categories.

    Raises:
        InputError: See :func:`read_annotations`; also a category the vocabulary lacks.
    """
    content = read_annotations(path)
    vocabulary = vocabulary or from_categories(content["categories"], str(path))
    images, annotations = defaultdict(list), defaultdict(list)
    for image in content["images"]:
        images[image["video_id"]].append(image["id"])
    for annotation in content["annotations"]:
        annotations[annotation["video_id"]].append(annotation)
    try:
        return [
            _sequence(video, images[video["id"]], annotations[video["id"]], vocabulary)
            for video in content["videos"]
        ]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def merged_categories(categories: list[dict[str, Any]]) -> dict[int, int]:
    """Map category ids that TAO merged into another one to the surviving id (``merged`` key)."""
    return {
        dropped["id"]: category["id"]
        for category in categories
        for dropped in category.get("merged", ())
    }


def _sequence(
    video: dict[str, Any],
    image_ids: list[int],
    annotations: list[dict[str, Any]],
    vocabulary: Vocabulary,
) -> TrackSequence:
    frame_of = {image_id: frame for frame, image_id in enumerate(image_ids)}
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return TrackSequence(
        name=video["name"],
        width=video["width"],
        height=video["height"],
        num_frames=len(image_ids),
        frame_ids=np.array([frame_of[a["image_id"]] for a in annotations], dtype=np.int64),
        bboxes=boxes.astype(np.float32),
        track_ids=np.array([a["track_id"] for a in annotations], dtype=np.int64),
        labels=np.array(
            [vocabulary.label_of(a["category_id"]) for a in annotations], dtype=np.int64
        ),
        scores=np.ones(len(annotations), dtype=np.float32),
        vocabulary=vocabulary,
        video_id=video["id"],
        image_ids=np.array(image_ids, dtype=np.int64),
    )


def _load(path: Path) -> dict[str, Any]:
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with videos, images, annotations.")
    return content


_KINDS = {int: "a whole number of 64 bits", str: "a text", list: "a list"}


class _Checker:
    """Checks one annotation file; every complaint names the file, the key and the place."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self.tables: dict[str, dict[int, dict[str, Any]]] = {}

    def check(self) -> None:
        self.check_tables()
        self.check_images()
        for track in self.content["tracks"]:
            self.refer("tracks", track, "video_id", "videos")
        self.check_annotations()

    def check_tables(self) -> None:
        """Every row by itself, whatever it refers to."""
        for table in _REQUIRED:
            if not isinstance(self.content.get(table), list):
                raise self.error(f"key '{table}' is missing or not a list")
        for table, keys in _REQUIRED.items():
            self.check_rows(table, keys)
        self.check_merged()
        self.check_lists()

    def error(self, what: str) -> InputError:
        return InputError(f"{self.path}: {what}.")

    def place(self, table: str, row: dict[str, Any], position: int = -1) -> str:
        """Words for a row: its id (or position) and the video it belongs to."""
        words = "category" if table == "categories" else table.removesuffix("s")
        words += f" {row['id']!r}" if "id" in row else f" at position {position}"
        if table in ("videos", "categories"):
            return f"{words} ({row['name']!r})" if "name" in row else words
        image = self.find("images", row.get("image_id"))
        video = self.find("videos", row.get("video_id", image.get("video_id")))
        return f"{words} of video {video['name']!r}" if "name" in video else words

    def find(self, table: str, wanted: Any) -> dict[str, Any]:
        """The row of that id, also where the table has not been checked; empty if none."""
        rows = (row for row in self.content[table] if isinstance(row, dict))
        return next((row for row in rows if row.get("id", self) == wanted), {})

    def check_rows(self, table: str, keys: dict[str, type]) -> None:
        known: dict[int, dict[str, Any]] = {}
        for position, row in enumerate(self.content[table]):
            if not isinstance(row, dict):
                raise self.error(f"{table}[{position}] is not a JSON object")
            for key, kind in keys.items():
                if key not in row:
                    raise self.error(
                        f"key '{key}' is missing in {self.place(table, row, position)}"
                    )
                if not (is_id(row[key]) if kind is int else isinstance(row[key], kind)):
                    raise self.error(
                        f"key '{key}' of {self.place(table, row, position)} must be "
                        f"{_KINDS[kind]}, not {reprlib.repr(row[key])}"
                    )
            if row["id"] in known:
                raise self.error(f"key 'id': {self.place(table, row)} occurs twice in {table}")
            known[row["id"]] = row
        self.tables[table] = known

    def refer(self, table: str, row: dict[str, Any], key: str, target: str) -> dict[str, Any]:
        """Return the row of ``target`` that ``row[key]`` points at."""
        if row[key] not in self.tables[target]:
            raise self.error(
                f"key '{key}' of {self.place(table, row)} is {row[key]}, which is not in {target}"
            )
        return self.tables[target][row[key]]

    def check_merged(self) -> None:
        """``merged`` lists name categories that go up in another, which itself stays."""
        goes_into: dict[int, int] = {}
        for category in self.content["categories"]:
            place = self.place("categories", category)
            merged = category.get("merged", [])
            if not isinstance(merged, list) or not all(
                isinstance(dropped, dict) and is_id(dropped.get("id")) for dropped in merged
            ):
                raise self.error(f"key 'merged' of {place} must be a list of categories with ids")
            for dropped in merged:
                if goes_into.setdefault(dropped["id"], category["id"]) != category["id"]:
                    raise self.error(
                        f"key 'merged' of {place}: category {dropped['id']} is already merged "
                        f"into {goes_into[dropped['id']]}"
                    )
        for dropped, kept in goes_into.items():
            if kept in goes_into:
                raise self.error(
                    f"key 'merged': category {dropped} goes into {kept}, which is itself merged "
                    f"into {goes_into[kept]}"
                )

    def check_lists(self) -> None:
        """Federated lists; the images of a video may share one, which is looked at once."""
        sound: set[int] = set()
        for table in ("videos", "images"):
            for row in self.content[table]:
                for key in LISTS:
                    ids = row.get(key)
                    if key not in row or id(ids) in sound:
                        continue
                    if not isinstance(ids, list) or not all(map(is_id, ids)):
                        raise self.error(
                            f"key '{key}' of {self.place(table, row)} must be a list of "
                            f"category ids, not {reprlib.repr(ids)}"
                        )
                    sound.add(id(ids))

    def check_images(self) -> None:
        last_index: dict[int, int] = {}
        seen: dict[int, int] = defaultdict(int)
        for image in self.content["images"]:
            video = self.refer("images", image, "video_id", "videos")
            previous = last_index.get(video["id"], -math.inf)
            if image["frame_index"] <= previous:
                raise self.error(
                    f"key 'frame_index' must grow from image to image in video {video['name']!r}; "
                    f"image {image['id']} has {image['frame_index']} after {previous}"
                )
            if image.get("frame_id", seen[video["id"]]) != seen[video["id"]]:
                raise self.error(
                    f"key 'frame_id' must count 0, 1, 2, ... in video {video['name']!r}; image "
                    f"{image['id']} has {image['frame_id']!r} where {seen[video['id']]} was "
                    "expected"
                )
            last_index[video["id"]] = image["frame_index"]
            seen[video["id"]] += 1

    def check_annotations(self) -> None:
        merged = merged_categories(self.content["categories"])
        used: set[tuple[int, int]] = set()
        for row in self.content["annotations"]:
            image = self.refer("annotations", row, "image_id", "images")
            track = self.refer("annotations", row, "track_id", "tracks")
            if row["category_id"] not in merged:
                self.refer("annotations", row, "category_id", "categories")
            for other, name in ((image, f"image {image['id']}"), (track, f"track {track['id']}")):
                if other["video_id"] != row["video_id"]:
                    raise self.error(
                        f"key 'video_id' of {self.place('annotations', row)} is "
                        f"{row['video_id']}, but its {name} is in video {other['video_id']}"
                    )
            if (row["image_id"], row["track_id"]) in used:
                raise self.error(
                    f"key 'track_id': track {row['track_id']} occurs twice in image "
                    f"{row['image_id']}; the second is {self.place('annotations', row)}"
                )
            used.add((row["image_id"], row["track_id"]))
            self.check_box(row, image)

    def check_box(self, row: dict[str, Any], image: dict[str, Any]) -> None:
        box = row["bbox"]
        if not is_box(box):
            raise self.error(
                f"key 'bbox' of {self.place('annotations', row)} must be four finite numbers "
                f"x, y, w, h with w, h >= 0, not {reprlib.repr(box)}"
            )
        if not is_number(row.get("area", 0)):
            raise self.error(
                f"key 'area' of {self.place('annotations', row)} must be a finite number, not "
                f"{reprlib.repr(row['area'])}"
            )
        x, y, w, h = box
        width, height = image["width"], image["height"]
        if _misses(x, w, width) or _misses(y, h, height):
            raise self.error(
                f"key 'bbox' of {self.place('annotations', row)}: {box} (x, y, w, h) lies outside "
                f"its image of {width}x{height} pixels"
            )


def _misses(start: float, length: float, limit: float) -> bool:
    """Whether the interval from ``start`` has no point in [0, limit)."""
    return start >= limit or (start < 0 and start + length <= 0)
