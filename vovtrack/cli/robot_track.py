"""``vovtrack robot track``: follow the labelled points, straight from the HDF5 files."""

from __future__ import annotations

import argparse
import sys

from vovtrack.cli.robot_options import (
    add_camera,
    add_points,
    add_recordings,
    add_tracker,
    chosen_points,
    chosen_tracker,
    tell,
)

HELP = "follow the labelled points through each recording"
EXAMPLES = (
    "vovtrack robot track recordings/ --work work",
    "vovtrack robot track a.h5 --work work --camera obs_left_img --grid 5",
    "vovtrack robot track a.h5 --work work --tracker lucas-kanade --points cup=100,52",
)
INPUTS = {"config": "the config", "checkpoint": "the checkpoint"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the step."""
    add_recordings(parser)
    add_tracker(parser)
    add_camera(parser, "only this camera")
    add_points(parser)


def run(args: argparse.Namespace) -> int:
    """Track; the exit code is 2 if a recording cannot be."""
    from vovtrack.engine.recordings.track import track_recordings

    outcome = track_recordings(
        args.recordings,
        args.work,
        chosen_tracker(args),
        chosen=chosen_points(args),
        camera=args.camera,
        progress=sys.stderr.isatty(),
    )
    return tell("track", outcome, f"tracked into {args.work}")
