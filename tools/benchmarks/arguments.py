"""Command lines of the benchmarks: each runs in seconds with ``--smoke``."""

from __future__ import annotations

import argparse


def parse(parser: argparse.ArgumentParser, **smoke: object) -> argparse.Namespace:
    """Parse the command line; ``--smoke`` replaces the values of the options in ``smoke``."""
    small = ", ".join(f"{name}={value}" for name, value in smoke.items())
    parser.add_argument("--smoke", action="store_true", help=f"run in seconds: {small}")
    args = parser.parse_args()
    if args.smoke:
        vars(args).update(smoke)
    return args
