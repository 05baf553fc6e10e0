"""`vovtrack synth`: write a mini world."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vovtrack.cli import synth_photos, synth_videos
from vovtrack.errors import InputError

if TYPE_CHECKING:
    from vovtrack.synthetic.dials import Dials

HELP = "write a small synthetic world with exact ground truth"
EXAMPLES = (
    "vovtrack synth --out world",
    "vovtrack synth --format mot --videos 8 --held-out 2 --dial speed=2 --out mot",
    *synth_photos.EXAMPLES,
    "vovtrack synth --size tiny --seed 1 --dial shake=1 --out world --force",
    *synth_videos.EXAMPLES,
    "vovtrack synth --boxes-only --videos 988 --out boxes",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the world (default: 0)")
    parser.add_argument(
        "--size",
        choices=["tiny", "validation", "training", "small", "large"],
        help="tiny: seconds, for tests; validation: tiny with the validation videos of small; "
        "training: tiny with the stills and pairs of large; "
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
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--boxes-only",
        action="store_true",
        help="instead write gt.json and pred.json of the size of TAO, without pictures",
    )
    synth_photos.add_arguments(modes)
    parser.add_argument(
        "--videos",
        type=int,
        metavar="N",
        help="with --boxes-only (default: 988), --format and --photos (default: 20)",
    )
    synth_videos.add_arguments(parser)
    parser.add_argument("--force", action="store_true", help="replace a folder that is not empty")


def run(args: argparse.Namespace) -> int:
    """Write the world and say where it is."""
    dials = read_dials(args.dial)
    if args.sample or args.photos is not None:
        return synth_photos.run(args, dials)
    if args.format is not None:
        if args.boxes_only:
            raise InputError(
                "--format writes videos and --boxes-only writes none: give one of them."
            )
        return synth_videos.run(args, dials)
    for name in synth_videos.OPTIONS:
        if getattr(args, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} goes with --format.")
    if args.boxes_only:
        if args.dial:
            raise InputError("--dial turns what is rendered, and --boxes-only renders nothing.")
        from vovtrack.synthetic.boxes_only import write_boxes

        videos = 988 if args.videos is None else args.videos
        counts = write_boxes(args.out, videos, args.seed, force=args.force)
        print(f"{args.out}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
        return 0
    from vovtrack.synthetic import class_names, write_world

    size = args.size or "small"
    try:
        out = write_world(
            args.out, args.seed, size, args.workers, args.force, progress=True, dials=dials
        )
    except KeyboardInterrupt:
        print("Finished scenes are kept: the same command resumes.", file=sys.stderr)
        raise
    base, novel = class_names()
    print(f"mini world: {out}")
    print(f"classes: {len(base)} base, {len(novel)} novel")
    print(f"contact sheets: {out / 'contact_sheets'}")
    return 0


def read_dials(settings: list[str]) -> Dials:
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
