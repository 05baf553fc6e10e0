"""``vovtrack convert``: a checkpoint of another project becomes a safe file of ours."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vovtrack.engine.weights.conversion import Layout, Plan

HELP = "convert released checkpoints and backbones to safetensors"
EXAMPLES = (
    "vovtrack convert ovtrack_pair.pth ovtrack_pair.safetensors",
    "vovtrack convert ovtrack_pair.pth --check",
    "vovtrack convert soco.pth backbone.safetensors --kind soco",
    "vovtrack convert keep_track.pth keep_track.safetensors --onto super_dimp_simple.safetensors",
)
INPUTS = {"source": "the file to convert", "onto": "the converted file to add to"}
OUTPUTS = ("target",)
AUTO = "auto"
"""The kind that is seen by the keys of the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="IN", help="checkpoint (.pth or .safetensors)")
    parser.add_argument(
        "target", metavar="OUT", nargs="?", help=".safetensors file; its card is written beside it"
    )
    parser.add_argument(
        "--check", action="store_true", help="print what becomes of every tensor, write nothing"
    )
    parser.add_argument(
        "--kind",
        metavar="NAME",
        default=AUTO,
        help="what IN is, such as qdtrack, qdtrack-yolox, yolox, ovtrack, detpro, detpro-cascade, "
        "soco, mmdet3, torchvision or detectron2 (default: seen by its keys)",
    )
    parser.add_argument(
        "--onto",
        metavar="FILE",
        help="converted file of the model's other parts, which OUT gets as well",
    )


def layouts(kind: str = AUTO) -> tuple[Layout, ...]:
    """The families of checkpoints that a kind stands for, the most special ones first.

    Raises:
        InputError: There is no such kind.
    """
    from vovtrack.cli.systems import collect_systems
    from vovtrack.engine.weights.backbones import BACKBONES
    from vovtrack.errors import one_of

    own = (layout for system in collect_systems() for layout in system.layouts)
    known = {layout.name: layout for layout in (*own, *BACKBONES)}
    one_of("--kind", kind, [AUTO, *known])
    return tuple(known.values()) if kind == AUTO else (known[kind],)


def run(args: argparse.Namespace) -> int:
    """Convert; 1 if ``--check`` finds that the file is not complete."""
    from vovtrack.engine.weights.conversion import (
        add_parts,
        check_target,
        convert,
        write_converted,
    )
    from vovtrack.errors import InputError

    if not args.check:
        if args.target is None:
            raise InputError("Nothing to write: give OUT.safetensors, or --check.")
        check_target(args.source, args.target)
        if args.onto is not None:
            check_target(args.onto, args.target)
    plan, weights, card = convert(args.source, layouts(args.kind))
    if args.check:
        _print_table(plan)
        return 0 if plan.complete else 1
    if args.onto is not None:
        weights = add_parts(weights, args.onto, card)
    beside = write_converted(args.target, plan, weights, card)
    print(f"{args.target}: {_summary(plan)}\n{beside}: where it comes from")
    for note in card["notes"]:
        print(f"note: {note}")
    return 0


def _print_table(plan: Plan) -> None:
    heads = ("state", "key in the file", "our key", "shape", "type", "")
    lines = [heads] + [
        (r.state, r.source or "-", r.ours or "-", "x".join(map(str, r.shape)), r.dtype, r.why)
        for r in plan.rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    print(f"\n{_summary(plan)}: {'complete' if plan.complete else 'NOT complete'}")
    for part, count in plan.absent().items():
        print(f"missing: '{part}' ({count} tensors)")


def _summary(plan: Plan) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in plan.counts().items())
    return f"{plan.layout.what}, {counts}"
