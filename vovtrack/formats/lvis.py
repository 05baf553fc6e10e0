"""LVIS (and COCO) detections: annotation files, and result files of boxes or masks.

Results are a JSON array of ``{image_id, category_id, bbox, score}``, boxes ``(x, y, w, h)`` in
pixels, or with ``segmentation``, a run-length encoding of the size of the image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vovtrack.errors import InputError
from vovtrack.formats.opening import read_json
from vovtrack.formats.problems import Problems
from vovtrack.formats.tao import is_box, is_id, is_number

_REQUIRED = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id",),
}


_FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")


def read_ground_truth(path: str | Path) -> dict[str, Any]:
    """Read an annotation file and check what evaluation relies on.

    Images of a video file get the lists of absent and of not fully annotated classes from their
    video.

    Raises:
        InputError: Not an object with images, annotations and categories; a key is missing or no
            whole number; an id occurs twice; an annotation points at nothing or has no box.
    """
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with images, annotations, categories.")
    known: dict[str, set[int]] = {}
    for table, keys in _REQUIRED.items():
        rows = content.get(table)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: key '{table}' is missing or no list of objects.")
        known[table] = _checked_ids(path, table, rows, keys)
    for row in content["annotations"]:
        place = f"{path}: annotation {row['id']}"
        if row["image_id"] not in known["images"]:
            raise InputError(f"{place}: image {row['image_id']} is not in 'images'.")
        if row["category_id"] not in known["categories"]:
            raise InputError(f"{place}: category {row['category_id']} is not in 'categories'.")
        if not is_box(row.get("bbox")):
            raise InputError(f"{place}: 'bbox' must be x, y, w, h with w, h >= 0.")
    videos = {video["id"]: video for video in content.get("videos", ())}
    for image in content["images"]:
        video = videos.get(image.get("video_id"), {})
        for key in _FEDERATED:
            image.setdefault(key, video.get(key, []))
    return content


def _checked_ids(path: str | Path, table: str, rows: list[dict], keys: tuple) -> set[int]:
    seen: set[int] = set()
    for position, row in enumerate(rows):
        for key in keys:
            if not is_id(row.get(key)):
                raise InputError(f"{path}: {table}[{position}]: '{key}' must be a whole number.")
        if row["id"] in seen:
            raise InputError(f"{path}: {table}[{position}]: id {row['id']} occurs twice.")
        seen.add(row["id"])
    return seen


def read_detections(
    path: str | Path, content: dict[str, Any], problems: Problems, masks: bool
) -> list[dict[str, Any]]:
    """Read detections and report those that do not fit the annotations.

    Args:
        path: Result file.
        content: What :func:`read_ground_truth` returned.
        problems: What happens to faulty detections.
        masks: Detections need a ``segmentation`` instead of a ``bbox``.

    Raises:
        InputError: It is not a JSON array.
    """
    rows = read_json(path, allow_nan=True)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a JSON array of detections.")
    images = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    kept = []
    for position, row in enumerate(rows):
        reason = _complaint(row, images, categories, masks)
        if reason:
            image = row.get("image_id") if isinstance(row, dict) else None
            problems.report(path, f"detection {position} (image {image})", reason)
        else:
            kept.append(row)
    return kept


def _complaint(row: Any, images: dict[int, tuple], categories: set[int], masks: bool) -> str:
    """What is wrong with a detection, or nothing."""
    if not isinstance(row, dict):
        return "this is not a JSON object"
    if not is_id(row.get("image_id")) or row["image_id"] not in images:
        return "its image is not in the annotations"
    if not is_id(row.get("category_id")) or row["category_id"] not in categories:
        return "its category is not in the annotations"
    if not is_number(row.get("score")):
        return "'score' must be a finite number"
    if not masks:
        return "" if is_box(row.get("bbox")) else "'bbox' must be x, y, w, h with w, h >= 0"
    mask = row.get("segmentation")
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), (str, list)):
        return "'segmentation' must be a run-length encoding with 'size' and 'counts'"
    if tuple(mask.get("size") or ()) != images[row["image_id"]]:
        return f"'size' of its mask must be that of the image, {images[row['image_id']]}"
    return ""
