"""From the annotation files that TAO publishes to those that open-vocabulary tracking reads.

Two steps, as published: ``tao2coco`` numbers the frames of each video and lets the categories that
TAO merged go up in each other; ``create_tao_v1`` turns the categories of LVIS v0.5 into those of
LVIS v1, which share their WordNet synsets.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.formats.tao.annotations import LISTS, check_annotations, merged_categories
from vovtrack.structures.vocabulary import lvis_v1_categories


@dataclass(frozen=True)
class Dropped:
    """What a conversion left out.

    Attributes:
        categories: Names of the categories without a counterpart that had tracks, with the
            number of their annotations.
        tracks: Number of tracks.
        annotations: Number of annotations.
    """

    categories: dict[str, int]
    tracks: int
    annotations: int


def read_published(path: str | Path, categories: str | Path | None = None) -> dict[str, Any]:
    """Read a file as TAO publishes it, which may lack annotations and tracks (the test set).

    Args:
        path: ``train.json``, ``validation.json``, ``test_without_annotations.json``, ...
        categories: File to take ``categories`` from, where ``path`` has none.

    Raises:
        InputError: Not such a file.
    """
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with videos, images, annotations.")
    if not content.get("categories") and categories is not None:
        other = read_json(categories)
        content["categories"] = other["categories"] if isinstance(other, dict) else other
    if not content.get("categories"):
        raise InputError(f"{path}: it has no categories: name a file that has with --categories.")
    for table in ("tracks", "annotations"):
        content.setdefault(table, [])
    check_annotations(content, path, ordered=False)
    return content


def number_frames(content: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """The first step: frames in order and numbered, merged categories, one id per instance.

    Images get ``frame_id`` 0, 1, ... and the category lists of their video; videos get
    ``frame_range``, the distance of their first two frames; annotations get ``instance_id``, the
    id of their track. Annotations *and tracks* of a merged category get the surviving one; the
    published script leaves the tracks.

    Raises:
        InputError: The result is not sound, see
            :func:`vovtrack.formats.tao.annotations.read_annotations`.
    """
    merged = merged_categories(content["categories"])
    frames = defaultdict(list)
    for image in sorted(content["images"], key=itemgetter("frame_index")):
        frames[image["video_id"]].append(image)
    videos, images = [], []
    for video in content["videos"]:
        ordered = frames.pop(video["id"], [])
        lists = {name: video[name] for name in LISTS if name in video}
        images += [dict(image, frame_id=i, **lists) for i, image in enumerate(ordered)]
        step = [b["frame_index"] - a["frame_index"] for a, b in pairwise(ordered[:2])]
        videos.append({**video, **({"frame_range": step[0]} if step else {})})
    images += chain.from_iterable(frames.values())  # of no video: the check names them
    numbered = dict(content, videos=videos, images=images)
    for table in ("tracks", "annotations"):
        numbered[table] = [_with_category(row, merged) for row in content[table]]
    numbered["annotations"] = [
        dict(row, instance_id=row["track_id"]) for row in numbered["annotations"]
    ]
    check_annotations(numbered, path)
    return numbered


def to_lvis_v1(content: dict[str, Any], path: str | Path) -> tuple[dict[str, Any], Dropped]:
    """The second step: categories of LVIS v1, matched by synset.

    Tracks, annotations and list entries of categories that LVIS v1 does not have are left out;
    ``image_count`` and ``instance_count`` of the categories are counted again.

    Args:
        content: What :func:`number_frames` returns.
        path: For messages.

    Raises:
        InputError: A category has no synset.
    """
    ids = {category["synset"]: category["id"] for category in lvis_v1_categories()}
    for category in content["categories"]:
        if not isinstance(category.get("synset"), str):
            raise InputError(
                f"{path}: category {category['id']} ('{category['name']}') has no 'synset', by "
                "which classes of LVIS v0.5 and v1 are matched."
            )
    new_id = {c["id"]: ids[c["synset"]] for c in content["categories"] if c["synset"] in ids}
    tables = {
        table: [_with_category(r, new_id) for r in content[table] if r["category_id"] in new_id]
        for table in ("tracks", "annotations")
    }
    translated: dict[int, list[int]] = {}  # by identity: the images of a video share its lists

    def translate(ids: list[int]) -> list[int]:
        if id(ids) not in translated:
            translated[id(ids)] = [new_id[c] for c in ids if c in new_id]
        return translated[id(ids)]

    for table in ("videos", "images"):
        tables[table] = [
            {**row, **{key: translate(row[key]) for key in LISTS if key in row}}
            for row in content[table]
        ]
    names = {category["id"]: category["name"] for category in content["categories"]}
    lost = Counter(
        names[row["category_id"]]
        for row in content["annotations"]
        if row["category_id"] not in new_id
    )
    dropped = Dropped(
        dict(sorted(lost.items())),
        len(content["tracks"]) - len(tables["tracks"]),
        sum(lost.values()),
    )
    converted = dict(content, **tables, categories=_counted(tables["annotations"]))
    check_annotations(converted, path)
    return converted, dropped


def _with_category(row: dict[str, Any], new_id: dict[int, int]) -> dict[str, Any]:
    category = row["category_id"]
    return dict(row, category_id=new_id.get(category, category))


def _counted(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    images: dict[int, set[int]] = defaultdict(set)
    instances: Counter[int] = Counter()
    for row in annotations:
        images[row["category_id"]].add(row["image_id"])
        instances[row["category_id"]] += 1
    return [
        dict(c, image_count=len(images[c["id"]]), instance_count=instances[c["id"]])
        for c in lvis_v1_categories()
    ]
