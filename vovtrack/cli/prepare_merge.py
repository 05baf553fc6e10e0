"""``vovtrack prepare merge``: LVIS annotations completed by COCO's, as pairs were made from."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "add to LVIS v1 the annotations of COCO that it lacks, classes matched by synset"
EXAMPLES = (
    "vovtrack prepare merge lvis_v1_train.json instances_train2017.json --out merged.json",
    "vovtrack prepare merge lvis_v1_train.json instances_train2017.json --out merged.json "
    "--boxes-only",
    "vovtrack prepare merge lvis_v1_train.json instances_train2017.json --out merged.json "
    "--iou 0.8",
)
INPUTS = {"lvis": "the annotations of LVIS", "coco": "the annotations of COCO"}
OUTPUTS = ("out",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-verb."""
    parser.add_argument("lvis", type=Path, help="lvis_v1_train.json")
    parser.add_argument("coco", type=Path, help="instances_train2017.json")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--boxes-only", action="store_true", help="leave masks out")
    parser.add_argument(
        "--iou",
        type=float,
        default=0.7,
        metavar="X",
        help="from this overlap on, boxes of one class are one object (default: 0.7)",
    )


def run(args: argparse.Namespace) -> int:
    """Merge and say what was added."""
    import json

    from vovtrack.errors import InputError
    from vovtrack.files.atomic import atomic_write
    from vovtrack.formats.coco import read_annotations
    from vovtrack.formats.lvis_coco import merge_coco

    lvis, coco = read_annotations(args.lvis), read_annotations(args.coco)
    if not all(isinstance(category.get("synset"), str) for category in lvis["categories"]):
        raise InputError(
            f"{args.lvis}: a category has no 'synset', by which classes of COCO are matched: give "
            "the official file of LVIS v1."
        )
    merged, counts = merge_coco(lvis, coco, args.iou, not args.boxes_only)
    with atomic_write(args.out) as file:
        json.dump(merged, file)
    print(
        f"{args.out}: {len(merged['images'])} images, {len(merged['annotations'])} annotations; of "
        f"COCO's {counts['added']} were added, {counts['known']} known, {counts['denied']} of a "
        f"class that LVIS says is absent, {counts['elsewhere']} of other images or classes"
    )
    return 0
