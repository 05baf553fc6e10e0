"""`vovtrack synth`: write a mini world."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a small synthetic world with exact ground truth"
EXAMPLES = (
    "vovtrack synth --out world",
    "vovtrack synth --size tiny --seed 1 --out world --force",
    "vovtrack synth --boxes-only --videos 988 --out boxes",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the world (default: 0)")
    parser.add_argument(
        "--size",
        default="small",
        choices=["tiny", "validation", "small", "large"],
        help="tiny: seconds, for tests; validation: tiny with the validation videos of small; "
        "small: enough to train on (default); large: five times small",
    )
    parser.add_argument("--workers", type=int, help="processes to use (default: one per CPU)")
    parser.add_argument(
        "--boxes-only",
        action="store_true",
        help="instead write gt.json and pred.json of the size of TAO, without pictures",
    )
    parser.add_argument(
        "--videos", type=int, default=988, metavar="N", help="with --boxes-only (default: 988)"
    )
    parser.add_argument("--force", action="store_true", help="replace a folder that is not empty")


def run(args: argparse.Namespace) -> int:
    """Write the world and say where it is."""
    if args.boxes_only:
        from vovtrack.synthetic.boxes_only import write_boxes

        counts = write_boxes(args.out, args.videos, args.seed, force=args.force)
        print(f"{args.out}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
        return 0
    from vovtrack.synthetic import class_names, write_world

    out = write_world(args.out, args.seed, args.size, args.workers, args.force, progress=True)
    base, novel = class_names()
    print(f"mini world: {out}")
    print(f"classes: {len(base)} base, {len(novel)} novel")
    print(f"contact sheet: {out / 'contact_sheet.png'}")
    return 0
