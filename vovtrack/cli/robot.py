"""``vovtrack robot``: key points into robot recordings in HDF5, step by step.

A step is a module ``vovtrack/cli/robot_<name>.py`` that looks like a verb's.
"""

from __future__ import annotations

import argparse
import importlib
from itertools import chain

from vovtrack.cli.main import declared_files

HELP = "track points in robot recordings (HDF5) and write them back"
SUBVERBS = {
    name: importlib.import_module(f"vovtrack.cli.robot_{name}")
    for name in ("extract", "label", "track", "check", "write")
}
EXAMPLES = tuple(chain.from_iterable(zip(*(m.EXAMPLES for m in SUBVERBS.values()), strict=True)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the steps and their options."""
    subparsers = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name, module in SUBVERBS.items():
        part = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(part)
        part.set_defaults(run_step=module.run, **declared_files(module))


def run(args: argparse.Namespace) -> int:
    """Do the step."""
    from vovtrack.cli.synth_videos import resumable

    with resumable("recordings"):
        return args.run_step(args)
