"""``vovtrack robot extract``: videos to look at, and first frames to click points on."""

from __future__ import annotations

import argparse
import sys

from vovtrack.cli.robot_options import add_recordings, tell

HELP = "write a video and the first frame of each camera"
EXAMPLES = (
    "vovtrack robot extract recordings/ --work work",
    "vovtrack robot extract a.h5 b.h5 --work work --fps 10",
    "vovtrack robot extract a.h5 --work work --lossless",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the step."""
    add_recordings(parser)
    parser.add_argument(
        "--fps", type=float, help="frames per second (default: of the recording, or 30)"
    )
    parser.add_argument(
        "--lossless", action="store_true", help="write .mkv (FFV1) without loss instead of .mp4"
    )


def run(args: argparse.Namespace) -> int:
    """Extract; the exit code is 2 if a recording cannot be."""
    from vovtrack.engine.recordings.extract import extract_recordings

    outcome = extract_recordings(
        args.recordings,
        args.work,
        fps=args.fps,
        lossless=args.lossless,
        progress=sys.stderr.isatty(),
    )
    return tell("extract", outcome, f"extracted into {args.work}")
