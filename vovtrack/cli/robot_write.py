"""``vovtrack robot write``: copies of the recordings with their key points."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vovtrack.cli.robot_options import add_camera, add_recordings, tell

HELP = "write copies of the accepted recordings with their key points"
EXAMPLES = (
    "vovtrack robot write recordings/ --work work --out with_points",
    "vovtrack robot write recordings/ --work work --out with_points --dry-run",
    "vovtrack robot write tracked/ --work tracked --out added --camera obs_left_img "
    "--on-mismatch copy",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the step."""
    add_recordings(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the copies"
    )
    add_camera(parser, "camera of results that do not name theirs")
    parser.add_argument(
        "--on-mismatch",
        choices=["refuse", "fit", "copy"],
        default="refuse",
        help="results with another number of frames: leave the recording out, give missing frames "
        "no points and drop surplus ones, or copy without points (default: refuse)",
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, write nothing")


def run(args: argparse.Namespace) -> int:
    """Write; the exit code is 2 if a recording cannot be."""
    from vovtrack.engine.recordings.write import write_recordings

    outcome = write_recordings(
        args.recordings,
        args.work,
        args.out,
        camera=args.camera,
        on_mismatch=args.on_mismatch,
        dry_run=args.dry_run,
        progress=sys.stderr.isatty(),
    )
    would_be = "would be written" if args.dry_run else "written"
    return tell("write", outcome, f"{would_be} into {args.out}")
