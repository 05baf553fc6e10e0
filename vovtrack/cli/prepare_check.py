"""``vovtrack prepare check``: are all images of an annotation file on disk?"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "list the images of an annotation file that are missing on disk"
EXAMPLES = (
    "vovtrack prepare check validation.json data/tao/frames",
    "vovtrack prepare check lvis_v1_train.json coco/train2017 --out missing.txt",
    "vovtrack prepare check lvis_v1_val.json coco/val2017",
)
INPUTS = {"annotations": "the annotation file"}
OUTPUTS = ("out",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-verb."""
    parser.add_argument("annotations", type=Path, help="TAO, LVIS or COCO file")
    parser.add_argument("images", type=Path, help="folder that its file names refer to")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the missing names there")


def run(args: argparse.Namespace) -> int:
    """Compare names with files; the exit code is 1 if any is missing."""
    from collections import Counter

    from vovtrack.files.atomic import atomic_write
    from vovtrack.formats.coco import missing_images

    missing, total = missing_images(args.annotations, args.images)
    print(f"{total - len(missing)} of {total} images are there")
    folders = Counter(str(Path(name).parent) for name in missing)
    for folder, number in folders.most_common(10):
        print(f"  {number} missing in {folder}")
    if len(folders) > 10:
        print(f"  and in {len(folders) - 10} more folders")
    if args.out is not None:
        with atomic_write(args.out) as file:
            file.writelines(f"{name}\n" for name in missing)
    return 1 if missing else 0
