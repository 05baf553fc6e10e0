"""``vovtrack robot label``: points on first frames, by labelme or from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from vovtrack.cli.robot_options import add_camera, add_points, chosen_points

HELP = "list the points on first frames, or put points on those that have none"
EXAMPLES = (
    "vovtrack robot label work",
    "vovtrack robot label work --camera obs_left_img --points gripper=320,240 cup=100,52.5",
    "vovtrack robot label work --points-from work/first/obs_left_img.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the step."""
    parser.add_argument("work", type=Path, help="folder that 'vovtrack robot extract' wrote")
    add_camera(parser, "only of this camera")
    add_points(parser)


def run(args: argparse.Namespace) -> int:
    """Write points where they are asked for, and list all."""
    from vovtrack.engine.recordings.label import label_images

    found = label_images(args.work, chosen_points(args), args.camera)
    for labelled in found:
        names = ", ".join(labelled.names[:9]) + (", ..." if len(labelled.names) > 9 else "")
        told = f"{len(labelled.names)} points: {names}" if labelled.names else "no points yet"
        print(f"{labelled.image}: {told}{' (new)' if labelled.is_new else ''}")
    missing = [labelled for labelled in found if not labelled.names]
    if missing:
        print(
            f"{len(missing)} of {len(found)} have no points: open them with labelme, use 'Create "
            "Point' for each, and save beside the picture. For the first:\n"
            f"  labelme {missing[0].image}"
        )
    return 0
