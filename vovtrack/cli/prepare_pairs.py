"""``vovtrack prepare pairs``: second views of annotated stills, for training association."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "draw a second view of each annotated still and write them as videos of two frames"
EXAMPLES = (
    "vovtrack prepare pairs lvis_v1_train.json coco/train2017 --out data/pairs",
    "vovtrack prepare pairs lvis_v1_train.json coco/train2017 --out data/pairs --background other",
    "vovtrack prepare pairs instances.json images --out data/pairs --all --repeats 2 --seed 1",
)
INPUTS = {"annotations": "the annotation file"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-verb."""
    parser.add_argument("annotations", type=Path, help="LVIS or COCO file of the stills")
    parser.add_argument("images", type=Path, help="folder of the stills")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--background",
        choices=["same", "other"],
        default="same",
        help="same: the image itself, warped (default); other: another image around the objects",
    )
    parser.add_argument(
        "--min-side",
        type=float,
        default=64,
        metavar="PX",
        help="follow objects whose box is larger than PX x PX (default: 64)",
    )
    parser.add_argument(
        "--min-twin-side",
        type=float,
        default=32,
        metavar="PX",
        help="keep them in the twin if at least PX x PX of their box is seen (default: 32)",
    )
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="twins per still")
    parser.add_argument("--all", action="store_true", help="keep novel classes too")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    parser.add_argument("--workers", type=int, help="processes to use (default: one per CPU)")


def run(args: argparse.Namespace) -> int:
    """Make the twins and say how to train on them."""
    from ovtrack.datasets.twins.drawing import TwinRecipe
    from ovtrack.datasets.twins.files import ANNOTATIONS, IMAGES, prepare_pairs

    recipe = TwinRecipe(
        background=args.background,
        min_area=args.min_side**2,
        min_twin_area=args.min_twin_side**2,
    )
    counts = prepare_pairs(
        args.annotations,
        args.images,
        args.out,
        recipe,
        args.repeats,
        args.seed,
        args.workers,
        args.all,
        progress=sys.stderr.isatty(),
    )
    print(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items()))
    data = "train_dataloader.dataset.dataset.dataset"
    print(
        f"train on them with --cfg-options {data}.ann_file={args.out / ANNOTATIONS} "
        f"{data}.data_prefix.img={args.images} {data}.data_prefix.twins={args.out / IMAGES}"
    )
    return 0
