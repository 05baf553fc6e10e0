"""COCO-style annotation files (LVIS stills, CocoVID pairs) as records of images with instances."""

from __future__ import annotations

import reprlib
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.formats.checks import is_id, is_number
from vovtrack.structures import Vocabulary
from vovtrack.structures.class_names import find_names
from vovtrack.structures.vocabulary import from_categories

_REQUIRED = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_four_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


_KINDS = {
    "images": {
        "id": (is_id, "a whole number"),
        "width": (is_number, "a number"),
        "height": (is_number, "a number"),
        "file_name": (_is_text, "a text"),
        "coco_url": (_is_text, "a text"),
    },
    "annotations": {
        "id": (is_id, "a whole number"),
        "image_id": (is_id, "a whole number"),
        "category_id": (is_id, "a whole number"),
        "bbox": (_are_four_numbers, "a list of four numbers"),
        "area": (is_number, "a number"),
    },
    "categories": {"id": (is_id, "a whole number"), "name": (_is_text, "a text")},
}
"""Section -> key -> what its value must be, where a record has it."""


def read_images(path: str | Path, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Read the images of an annotation file, each with its usable instances.

    Instances without area, outside the image, marked ``ignore``, or of a category that the
    vocabulary does not have are left out; crowds carry ``ignore_flag`` 1.

    Args:
        path: JSON file.
        vocabulary: Decides the labels: ``bbox_label`` is the place of the category in it, found
            by name, whatever id the file gives it.

    Returns:
        The image records of the file in its order, each with ``instances``: ``bbox``
        (x1, y1, x2, y2) in image pixels, ``bbox_label``, ``ignore_flag``, and where the file has
        them ``instance_id`` and ``mask`` (polygons); and with ``category_ids``, the vocabulary's
        ids of all annotations, also of those left out as too small, outside or ignored.

    Raises:
        InputError: Unreadable file or a missing key, named with its record.
    """
    return images_of(read_annotations(path), vocabulary, path)


def read_labelled(
    path: str | Path, vocabulary: str | Path | Vocabulary | None = None
) -> tuple[Vocabulary, list[dict[str, Any]]]:
    """As :func:`read_images`, and the vocabulary with it: a large file is read once.

    Args:
        path: JSON file.
        vocabulary: What :meth:`Vocabulary.load` takes; None is the categories of the file.

    Raises:
        InputError: See :func:`read_images` and :meth:`Vocabulary.load`.
    """
    content = read_annotations(path)
    if vocabulary is None or str(vocabulary) == str(path):
        found = from_categories(content["categories"], str(path))
    else:
        found = Vocabulary.load(vocabulary)
    return found, images_of(content, found, path)


def images_of(
    content: dict[str, Any], vocabulary: Vocabulary, path: str | Path
) -> list[dict[str, Any]]:
    """As :func:`read_images`, of a file that is read already; ``path`` is for messages."""
    categories = content["categories"]
    places = find_names([category["name"] for category in categories], vocabulary.names)
    labels = {
        category["id"]: place
        for category, place in zip(categories, places, strict=True)
        if place is not None
    }
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    return [
        dict(
            image,
            file_name=_file_name(path, image),
            instances=_instances(image, found, labels),
            category_ids=sorted(
                {
                    vocabulary.category_ids[labels[annotation["category_id"]]]
                    for annotation in found
                    if annotation["category_id"] in labels
                }
            ),
        )
        for image in content["images"]
        for found in [by_image[image["id"]]]
    ]


def image_paths(path: str | Path, root: str | Path) -> dict[int, str]:
    """Image id -> file of the images of an annotation file, in its order.

    Args:
        path: JSON file.
        root: Folder that the file names of the images refer to.

    Raises:
        InputError: Unreadable file, or images missing on disk.
    """
    images = read_annotations(path)["images"]
    paths = {image["id"]: str(Path(root, _file_name(path, image))) for image in images}
    require_files(list(paths.values()), str(path))
    return paths


def missing_images(path: str | Path, root: str | Path) -> tuple[list[str], int]:
    """Names of the images of an annotation file that are not under ``root``, and how many it has.

    Raises:
        InputError: The file cannot be read, or ``root`` is not a folder.
    """
    if not Path(root).is_dir():
        raise InputError(f"The folder of images '{root}' does not exist.")
    content = read_json(path, allow_nan=True)
    if not isinstance(content, dict) or not _is_records(content.get("images")):
        raise InputError(f"Annotation file '{path}' lacks a list of records 'images'.")
    names = [_file_name(path, image) for image in content["images"]]
    return [name for name in names if not Path(root, name).is_file()], len(names)


def require_files(paths: list[str], ann_file: str) -> None:
    """Raise an :class:`InputError` that lists the files of ``paths`` that are not on disk."""
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} images of '{ann_file}' are missing on disk, "
            f"the first: {', '.join(missing[:3])}. Check data_root and data_prefix; "
            "'vovtrack prepare check' lists them all."
        )


def read_annotations(path: str | Path) -> dict[str, Any]:
    """Read an annotation file and check that its records have what the format requires.

    Raises:
        InputError: Unreadable file, a missing key, a value of the wrong kind, or an annotation
            whose image or category the file does not list.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"Annotation file '{path}' does not exist.")
    found = read_json(path)
    content: dict[str, Any] = found if isinstance(found, dict) else {}
    for section, keys in _REQUIRED.items():
        if section not in content:
            raise InputError(f"Annotation file '{path}' lacks the key '{section}'.")
        if not _is_records(content[section]):
            raise InputError(f"Annotation file '{path}': '{section}' is not a list of records.")
        for record in content[section]:
            for key in keys:
                if key not in record:
                    raise InputError(
                        f"Annotation file '{path}': {section[:-1]} {record.get('id', '?')!r} "
                        f"lacks the key '{key}'."
                    )
            _check_kinds(path, section, record)
    for key, section in (("image_id", "images"), ("category_id", "categories")):
        known = {record["id"] for record in content[section]}
        for annotation in content["annotations"]:
            if annotation[key] not in known:
                raise InputError(
                    f"Annotation file '{path}': annotation {annotation['id']} has {key} "
                    f"{annotation[key]}, which is not among its {section}."
                )
    return content


def _check_kinds(path: Path, section: str, record: dict[str, Any]) -> None:
    for key, (fits, expected) in _KINDS[section].items():
        if key in record and not fits(record[key]):
            raise InputError(
                f"Annotation file '{path}': '{key}' of {section[:-1]} {record['id']!r} must be "
                f"{expected}, not {reprlib.repr(record[key])}."
            )


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(record, dict) for record in value)


def _file_name(path: str | Path, image: dict[str, Any]) -> str:
    """LVIS v1 names its images by URL only; its folders tell COCO's splits, which LVIS mixes."""
    if "file_name" in image:
        return str(image["file_name"])
    if "coco_url" in image:
        return urlparse(str(image["coco_url"])).path.lstrip("/")
    raise InputError(
        f"Annotation file '{path}': image {image['id']} has neither 'file_name' nor 'coco_url'."
    )


def _instances(
    image: dict[str, Any], annotations: list[dict[str, Any]], labels: dict[int, int]
) -> list[dict[str, Any]]:
    return [
        _instance(annotation, labels)
        for annotation in annotations
        if annotation["category_id"] in labels
        and not annotation.get("ignore", False)
        and annotation.get("area", 1) > 0
        and _is_visible(annotation["bbox"], image)
    ]


def _is_visible(bbox: list[float], image: dict[str, Any]) -> bool:
    x, y, w, h = bbox
    return (
        w >= 1 and h >= 1 and x + w > 0 and x < image["width"] and y + h > 0 and y < image["height"]
    )


def _instance(annotation: dict[str, Any], labels: dict[int, int]) -> dict[str, Any]:
    x, y, w, h = annotation["bbox"]
    instance = dict(
        bbox=[x, y, x + w, y + h],
        bbox_label=labels[annotation["category_id"]],
        ignore_flag=int(bool(annotation.get("iscrowd", False))),
    )
    if "instance_id" in annotation:
        instance["instance_id"] = annotation["instance_id"]
    if annotation.get("segmentation"):
        instance["mask"] = annotation["segmentation"]
    return instance
