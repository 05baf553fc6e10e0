"""LVIS (and COCO) detections: annotation files, and result files of boxes or masks.

Results are a JSON array of ``{image_id, category_id, bbox, score}``, boxes ``(x, y, w, h)`` in
pixels, or with ``segmentation``, a run-length encoding of the size of the image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.formats.checks import is_box, is_id, is_number
from vovtrack.formats.faults import EXAMPLES, InputFaults
from vovtrack.formats.tao.annotations import LISTS
from vovtrack.formats.tao.results import TaoResults, read_results
from vovtrack.structures.vocabulary import first_repeated

_LARGEST = 1 << 53  # ids above it have no exact float64
_REQUIRED = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id",),
}


def read_ground_truth(path: str | Path, masks: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Read an annotation file and check what evaluation relies on.

    Args:
        path: JSON file.
        masks: Annotations need a ``segmentation``: polygons, or a run-length encoding.

    Returns:
        ``images``, ``annotations`` and ``categories`` with the keys that evaluation needs.
        ``area`` is that of the box where the file does not say, names are unique. Images of a
        video file have the lists of absent and of not fully annotated classes of their video.

    Raises:
        InputError: Not an object with images, annotations and categories, or nothing in one of
            them; a key is missing or has an impossible value; an id or name occurs twice; an
            annotation points at nothing.
    """
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with images, annotations, categories.")
    known: dict[str, dict[int, dict[str, Any]]] = {}
    for table, keys in _REQUIRED.items():
        rows = content.get(table)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: key '{table}' is missing or no list of objects.")
        if not rows:
            raise InputError(f"{path}: '{table}' is empty, so nothing can be evaluated.")
        known[table] = _checked_ids(path, table, rows, keys)
    _inherit_lists(path, content)
    for row in content["annotations"]:
        _refer(path, row, known)
    sizes = {key: _size(row) for key, row in known["images"].items()}
    clean = {
        "images": [_image(row) for row in content["images"]],
        "annotations": [
            _annotation(path, row, sizes[row["image_id"]], masks) for row in content["annotations"]
        ],
        "categories": [_category(path, row) for row in content["categories"]],
    }
    twice = first_repeated(category["name"] for category in clean["categories"])
    if twice is not None:
        raise InputError(f"{path}: two categories are called '{twice}'; names must be unique.")
    return clean


def _inherit_lists(path: str | Path, content: dict[str, Any]) -> None:
    """Give images the federated lists of their video, where only the video has them."""
    for image in content["images"]:
        _check_lists(path, "image", image)
    videos = content.get("videos")
    if not isinstance(videos, list):
        return
    by_id = {v["id"]: v for v in videos if isinstance(v, dict) and is_id(v.get("id"))}
    for known in by_id.values():
        _check_lists(path, "video", known)
    for image in content["images"]:
        video = by_id.get(image.get("video_id")) if is_id(image.get("video_id")) else None
        for key in LISTS:
            if video is not None and key in video:
                image.setdefault(key, video[key])


def read_boxes(path: str | Path, content: dict[str, Any], problems: InputFaults) -> TaoResults:
    """Read detections of boxes and report those that do not fit the annotations.

    Args:
        path: Result file.
        content: What :func:`read_ground_truth` returned.
        problems: What happens to faulty detections.

    Raises:
        InputError: See :func:`vovtrack.formats.tao.results.read_results`; also, unless
            ``problems`` is lenient, an image or category that the annotations lack.
    """
    results = read_results(path, problems, tracks=False)
    known = {table: [row["id"] for row in content[table]] for table in ("images", "categories")}
    bad_image = ~np.isin(results.image_ids, known["images"])
    bad_category = ~bad_image & ~np.isin(results.category_ids, known["categories"])
    for bad, what in ((bad_image, "image"), (bad_category, "category")):
        rows = np.flatnonzero(bad)
        for k, row in enumerate(rows[:EXAMPLES]):
            count = len(rows) - k if k == EXAMPLES - 1 else 1
            record = f"result {results.positions[row]} (image {results.image_ids[row]})"
            problems.report(path, record, f"its {what} is not in the annotations", count)
    return results.select(~bad_image & ~bad_category)


def read_masks(
    path: str | Path, content: dict[str, Any], problems: InputFaults
) -> list[dict[str, Any]]:
    """Read detections of masks and report those that do not fit the annotations.

    Args:
        path: Result file.
        content: What :func:`read_ground_truth` returned.
        problems: What happens to faulty detections.

    Returns:
        ``image_id``, ``category_id``, ``score`` and ``segmentation`` of each.

    Raises:
        InputError: It is not a JSON array; also, unless ``problems`` is lenient, a fault.
    """
    rows = read_json(path, allow_nan=True)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON array of detections.")
    sizes = {image["id"]: _size(image) for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    kept = []
    for position, row in enumerate(rows):
        reason = _complaint(row, sizes, categories)
        if reason:
            image = row.get("image_id") if isinstance(row, dict) else None
            problems.report(path, f"detection {position} (image {image})", reason)
        else:
            keys = ("image_id", "category_id", "score", "segmentation")
            kept.append({key: row[key] for key in keys})
    return kept


def _checked_ids(
    path: str | Path, table: str, rows: list[dict[str, Any]], keys: tuple[str, ...]
) -> dict[int, dict[str, Any]]:
    seen: dict[int, dict[str, Any]] = {}
    for position, row in enumerate(rows):
        for key in keys:
            if not _is_count(row.get(key)):
                raise InputError(
                    f"{path}: {table}[{position}]: '{key}' must be a whole number from 0 to 2^53."
                )
        if row["id"] in seen:
            raise InputError(f"{path}: {table}[{position}]: id {row['id']} occurs twice.")
        seen[row["id"]] = row
    return seen


def _refer(
    path: str | Path, row: dict[str, Any], known: dict[str, dict[int, dict[str, Any]]]
) -> None:
    for key, table in (("image_id", "images"), ("category_id", "categories")):
        if row[key] not in known[table]:
            raise InputError(
                f"{path}: annotation {row['id']}: {key.removesuffix('_id')} {row[key]} is not in "
                f"'{table}'."
            )


def _check_lists(path: str | Path, kind: str, row: dict[str, Any]) -> None:
    for key in LISTS:
        ids = row.get(key, [])
        if not isinstance(ids, list) or not all(map(_is_count, ids)):
            raise InputError(f"{path}: {kind} {row['id']}: '{key}' must be a list of category ids.")


def _image(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row.get(key, []) for key in ("id", "width", "height", *LISTS)}


def _annotation(
    path: str | Path, row: dict[str, Any], size: tuple[int, int], masks: bool
) -> dict[str, Any]:
    box = row.get("bbox")
    if not is_box(box):
        raise InputError(f"{path}: annotation {row['id']}: 'bbox' must be x, y, w, h, w, h >= 0.")
    clean = {key: row[key] for key in ("id", "image_id", "category_id", "bbox")}
    clean |= {"area": row.get("area", box[2] * box[3]), "iscrowd": row.get("iscrowd", 0)}
    if not is_number(clean["area"]) or clean["area"] < 0:
        raise InputError(f"{path}: annotation {row['id']}: 'area' must be a number of at least 0.")
    if clean["iscrowd"] not in (0, 1):
        raise InputError(f"{path}: annotation {row['id']}: 'iscrowd' must be 0 or 1.")
    if masks:
        clean["segmentation"] = row.get("segmentation")
        if not _are_polygons(clean["segmentation"]) and _mask_fault(clean["segmentation"], size):
            raise InputError(
                f"{path}: annotation {row['id']}: 'segmentation' must be polygons of three points "
                f"or more, or a run-length encoding of {size[0]} x {size[1]} pixels."
            )
    return clean


def _category(path: str | Path, row: dict[str, Any]) -> dict[str, Any]:
    clean = {"id": row["id"], "name": row.get("name", str(row["id"]))}
    if "frequency" in row:
        clean["frequency"] = row["frequency"]
    for key, value in clean.items():
        if key != "id" and not isinstance(value, str):
            raise InputError(f"{path}: category {row['id']}: '{key}' must be a text.")
    return clean


def _complaint(row: Any, sizes: dict[int, tuple[int, int]], categories: set[int]) -> str:
    """What is wrong with a detection, or nothing."""
    if not isinstance(row, dict):
        return "this is not a JSON object"
    if not _is_count(row.get("image_id")) or row["image_id"] not in sizes:
        return "its image is not in the annotations"
    if not _is_count(row.get("category_id")) or row["category_id"] not in categories:
        return "its category is not in the annotations"
    if not is_number(row.get("score")):
        return "'score' must be a finite number"
    return _mask_fault(row.get("segmentation"), sizes[row["image_id"]])


def _mask_fault(mask: Any, size: tuple[int, int]) -> str:
    """What is wrong with a run-length encoding, or nothing."""
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), (str, list)):
        return "'segmentation' must be a run-length encoding with 'size' and 'counts'"
    if mask.get("size") != list(size):
        return f"'size' of its mask must be that of the image, {size}"
    counts = mask["counts"]
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if not all(map(_is_count, runs)) or sum(runs) != size[0] * size[1]:
        return f"'counts' of its mask must be runs that fill {size[0]} x {size[1]} pixels"
    return ""


def _unpacked(text: str) -> list[int]:
    """Run lengths from their packed form; nonsense unpacks to runs that fit no image.

    A character holds five bits, lowest first, a flag that more follow, and 48 on top; from the
    fourth on, runs are stored as the difference to the one before the last.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return []
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return [] if shift else runs


def _are_polygons(polygons: Any) -> bool:
    return (
        isinstance(polygons, list)
        and len(polygons) > 0
        and all(
            isinstance(points, list)
            and len(points) >= 6
            and len(points) % 2 == 0
            and all(map(is_number, points))
            for points in polygons
        )
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _size(image: dict[str, Any]) -> tuple[int, int]:
    return image["height"], image["width"]
