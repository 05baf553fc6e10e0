"""LVIS annotations joined by those of COCO on the same images.

LVIS annotates each image for some of its classes; COCO for all of 80. The released pairs of
OVTrack are made from both, joined as here (a script of GTR, Zhou et al., CVPR 2022).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vovtrack.ops.boxes import pairwise_iou
from vovtrack.structures.vocabulary import coco_synsets

SAME_IOU = 0.7
"""From this overlap on, boxes of one class are one object."""


def merge_coco(
    lvis: dict[str, Any], coco: dict[str, Any], iou_threshold: float = SAME_IOU, masks: bool = True
) -> tuple[dict[str, Any], dict[str, int]]:
    """Add the annotations of COCO that LVIS lacks.

    Images are matched by their names, categories by synset. An annotation is left out if its class
    is declared absent from the image, or if an annotation of LVIS of its class overlaps it by
    ``iou_threshold`` or more. Images without an annotation of LVIS get none.

    Args:
        lvis: LVIS v1 annotations, categories with ``synset``.
        coco: COCO annotations, categories with the ids of COCO.
        iou_threshold: See above.
        masks: Keep ``segmentation``.

    Returns:
        Annotations in LVIS's form, renumbered from 1, and how many of COCO were ``added``, were
        ``known``, ``denied`` (their class is declared absent), or are ``elsewhere`` (of images or
        classes that LVIS does not annotate).
    """
    found = _coco_by_image(lvis, coco)
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in lvis["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    absent = {image["id"]: set(image.get("neg_category_ids", ())) for image in lvis["images"]}
    numbers, annotations = count(1), []
    counts = dict(added=0, known=0, denied=0)
    for image_id, ours in by_image.items():
        candidates = found.get(image_id, [])
        theirs = [row for row in candidates if row["category_id"] not in absent[image_id]]
        new = _unknown(ours, theirs, iou_threshold)
        counts["denied"] += len(candidates) - len(theirs)
        counts["added"] += len(new)
        counts["known"] += len(theirs) - len(new)
        annotations += [dict(row, id=next(numbers)) for row in (*ours, *new)]
    counts["elsewhere"] = len(coco["annotations"]) - sum(counts.values())
    if not masks:
        for row in annotations:
            row.pop("segmentation", None)
    return dict(lvis, annotations=annotations), counts


def _coco_by_image(lvis: dict[str, Any], coco: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Annotations of COCO by image id of LVIS, with ids of LVIS."""
    ids = {category["synset"]: category["id"] for category in lvis["categories"]}
    new_id = {old: ids[synset] for old, synset in coco_synsets().items() if synset in ids}
    images = {_name(image): image["id"] for image in lvis["images"]}
    image_id = {image["id"]: images.get(_name(image)) for image in coco["images"]}
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in coco["annotations"]:
        category, image = new_id.get(row["category_id"]), image_id[row["image_id"]]
        if category is not None and image is not None:
            found[image].append(dict(row, category_id=category, image_id=image))
    return found


def _name(image: dict[str, Any]) -> str:
    """The number of an image, which names it in both datasets."""
    name = image.get("file_name") or image["coco_url"]
    return PurePosixPath(name).name.rsplit("_", 1)[-1]


def _unknown(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], iou_threshold: float
) -> list[dict[str, Any]]:
    """Those of ``theirs`` that none of ``ours`` of their class overlaps."""
    if not theirs:
        return []
    overlap = pairwise_iou(_boxes(theirs), _boxes(ours)) >= iou_threshold
    labels = [np.array([row["category_id"] for row in rows]) for rows in (theirs, ours)]
    known = (overlap & (labels[0][:, None] == labels[1][None])).any(axis=1)
    return [row for row, is_known in zip(theirs, known, strict=True) if not is_known]


def _boxes(rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
