"""``vovtrack prepare``: bring data into the form that training and testing read.

A sub-verb is a module ``vovtrack/cli/prepare_<name>.py`` that looks like a verb's.
"""

from __future__ import annotations

import argparse
import importlib
from itertools import chain

from vovtrack.cli.main import declared_files

HELP = "bring data into the form that training and testing read"
SUBVERBS = {
    name: importlib.import_module(f"vovtrack.cli.prepare_{name}")
    for name in ("pairs", "merge", "tao", "frames", "check")
}
EXAMPLES = tuple(chain.from_iterable(zip(*(m.EXAMPLES for m in SUBVERBS.values()), strict=True)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-verbs and their options."""
    subparsers = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, module in SUBVERBS.items():
        part = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(part)
        part.set_defaults(prepare=module.run, **declared_files(module))


def run(args: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return args.prepare(args)
