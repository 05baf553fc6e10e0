"""``vovtrack export``: a slim weight file, or ONNX graphs."""

from __future__ import annotations

import argparse
from pathlib import Path

from vovtrack.cli.track import CLASSES_HELP

HELP = "write a slim weight file, or ONNX graphs checked against torch"
EXAMPLES = (
    "vovtrack export --slim work_dirs/mini/epoch_5.pth slim.safetensors",
    'vovtrack export --slim epoch_5.pth slim.safetensors --float32 --note "trained on the '
    'mini world"',
    'vovtrack export --onnx onnx --classes "striped red star, dotted blue circle"',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--slim",
        nargs=2,
        type=Path,
        metavar=("IN", "OUT.safetensors"),
        help="keep of a checkpoint what inference needs",
    )
    kind.add_argument("--onnx", type=Path, metavar="DIR", help="write the networks of a tracker")
    slim = parser.add_argument_group("with --slim")
    slim.add_argument("--float32", action="store_true", help="do not store float16")
    slim.add_argument(
        "--raw", action="store_true", help="weights as trained, not their moving average"
    )
    slim.add_argument("--note", default="", help="kept in the file: where the weights come from")
    onnx = parser.add_argument_group("with --onnx")
    onnx.add_argument("--config", default="mini", help="config of the tracker (default: mini)")
    onnx.add_argument("--checkpoint", type=Path, help="weights (default: those of the config)")
    onnx.add_argument("--classes", help=f"{CLASSES_HELP} (default: of the config)")
    onnx.add_argument(
        "--trust-config", action="store_true", help="run a .py config from outside of the project"
    )


def run(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    from vovtrack.engine.weights.export import export_onnx, export_slim
    from vovtrack.files.targets import check_target, mark_input

    if args.slim:
        source, target = args.slim
        mark_input(source, "the file to slim")
        check_target(target)
        count = export_slim(source, target, not args.float32, args.raw, args.note)
        print(f"{target}: {count} tensors")
        return 0
    card = export_onnx(
        args.config, args.checkpoint, args.onnx, args.classes, trust_config=args.trust_config
    )
    for name, entry in card["files"].items():
        print(
            f"{args.onnx / name}: differs from torch by {entry['largest_difference']:.1e} "
            "of the largest value"
        )
    if "classes" in card:
        print(f"{args.onnx / 'class_embeds.safetensors'}: {card['classes']} classes")
    return 0
