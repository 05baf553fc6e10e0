"""`vovtrack synth`: write a mini world."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vovtrack.errors import InputError

if TYPE_CHECKING:
    from vovtrack.synthetic.dials import Dials

HELP = "write a small synthetic world with exact ground truth"
EXAMPLES = (
    "vovtrack synth --out world",
    "vovtrack synth --size tiny --seed 1 --out world --force",
    "vovtrack synth --dial speed=2 --dial shake=1 --out hard",
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
    parser.add_argument(
        "--dial",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="multiply a difficulty, as in speed=2 or blur=0; may be given several times, another "
        "name is answered with all that there are",
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

    dials = _read_dials(args.dial)
    try:
        out = write_world(
            args.out, args.seed, args.size, args.workers, args.force, progress=True, dials=dials
        )
    except KeyboardInterrupt:
        print("Finished scenes are kept: the same command resumes.", file=sys.stderr)
        raise
    base, novel = class_names()
    print(f"mini world: {out}")
    print(f"classes: {len(base)} base, {len(novel)} novel")
    print(f"contact sheets: {out / 'contact_sheets'}")
    return 0


def _read_dials(settings: list[str]) -> Dials:
    """Read settings NAME=VALUE.

    Raises:
        InputError: One has another form, an unknown name or a value out of range.
    """
    from vovtrack.synthetic.dials import Dials

    values = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError(
                f"--dial {setting}: expected NAME=VALUE with a number, as in speed=2"
            ) from None
    return Dials().turned(**values)
