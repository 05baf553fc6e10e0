"""``vovtrack robot check``: contact sheets, a table of quality, and the accept list."""

from __future__ import annotations

import argparse
import sys

from vovtrack.cli.robot_options import (
    add_camera,
    add_recordings,
    add_tracker,
    chosen_tracker,
    tell,
)

HELP = "show how well points were tracked, and list the recordings to accept"
EXAMPLES = (
    "vovtrack robot check recordings/ --work work",
    "vovtrack robot check recordings/ --work work --no-backward",
    "vovtrack robot check a.h5 --work work --max-backward 0.01 --min-visible 0.8",
)
INPUTS = {"config": "the config", "checkpoint": "the checkpoint"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the step."""
    add_recordings(parser)
    add_tracker(parser)
    parser.add_argument(
        "--no-backward", action="store_true", help="do not follow the points back: faster"
    )
    add_camera(parser, "camera of results that do not name theirs")
    parser.add_argument(
        "--min-visible",
        type=float,
        metavar="SHARE",
        help="a point is in doubt that is visible in fewer of the frames (default: 0.5)",
    )
    parser.add_argument(
        "--max-jump",
        type=float,
        metavar="SHARE",
        help="or moves farther in one frame, in parts of the diagonal (default: 0.1)",
    )
    parser.add_argument(
        "--max-backward",
        type=float,
        metavar="SHARE",
        help="or misses its beginning by more when it is followed back (default: 0.02)",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and say which recordings are in doubt; the exit code is 2 if one cannot be checked."""
    from vovtrack.engine.recordings.accept import NAME
    from vovtrack.engine.recordings.check import TABLE, check_recordings
    from vovtrack.engine.recordings.quality import Limits

    asked = dict(visible=args.min_visible, jump=args.max_jump, backward=args.max_backward)
    outcome, doubts = check_recordings(
        args.recordings,
        args.work,
        None if args.no_backward else chosen_tracker(args),
        camera=args.camera,
        limits=Limits(**{name: value for name, value in asked.items() if value is not None}),
        progress=sys.stderr.isatty(),
    )
    for name, words in doubts.items():
        print(f"{name}: {'; '.join(words) if words else 'accepted'}")
    if doubts:
        print(f"{args.work / TABLE}: a row per point. {args.work / NAME}: decide there.")
    return tell("check", outcome, "checked")
