"""``vovtrack prepare tao``: TAO's published annotation files, for open-vocabulary tracking."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "turn published TAO annotations into <name>_ours.json and, by synset, <name>_ours_v1.json"
EXAMPLES = (
    "vovtrack prepare tao train.json validation.json",
    "vovtrack prepare tao validation.json --out data/tao/annotations",
    "vovtrack prepare tao test.json --categories test_categories.json",
)
INPUTS = {"annotations": "an annotation file", "categories": "the file of categories"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-verb."""
    parser.add_argument("annotations", type=Path, nargs="+", help="train.json, validation.json ...")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: that of each)")
    parser.add_argument(
        "--categories",
        type=Path,
        metavar="FILE",
        help="where categories stand for files without, as test_categories.json",
    )


def run(args: argparse.Namespace) -> int:
    """Convert each file and say what was left out."""
    import json

    from vovtrack.files.atomic import atomic_write
    from vovtrack.formats.tao.conversion import number_frames, read_published, to_lvis_v1

    for path in args.annotations:
        numbered = number_frames(read_published(path, args.categories), path)
        converted, dropped = to_lvis_v1(numbered, path)
        folder = args.out or path.parent
        for ending, content in (("ours", numbered), ("ours_v1", converted)):
            with atomic_write(folder / f"{path.stem}_{ending}.json") as file:
                json.dump(content, file)
        counts = {t: len(converted[t]) for t in ("videos", "images", "tracks", "annotations")}
        print(
            f"{folder / path.stem}_ours_v1.json: "
            + ", ".join(f"{number} {table}" for table, number in counts.items())
        )
        if dropped.tracks or dropped.annotations:
            names = ", ".join(f"{name} ({n})" for name, n in dropped.categories.items())
            print(
                f"  left out, not in LVIS v1: {dropped.tracks} tracks, {dropped.annotations} "
                f"annotations of {names or 'no annotated category'}"
            )
    return 0
