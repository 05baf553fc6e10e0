"""``vovtrack draw``: pictures of what a model sees in images."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "paint the objects of images by how trackable they look to the state prompts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("source", type=Path, help="an image, or a folder of images")
    parser.add_argument(
        "--state", action="store_true", required=True, help="paint by the weight of stage 2"
    )
    parser.add_argument("--config", required=True, help="config of a model of stage 2")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its weights")
    parser.add_argument("--out", type=Path, required=True, help="folder to write pictures to")
    parser.add_argument("--score-thr", type=float, default=0.3, help="default: 0.3")
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> int:
    """Draw, and say what was drawn."""
    from vovtrack.engine.build import load_model
    from vovtrack.engine.states import draw_state_images

    model, cfg = load_model(args.config, args.checkpoint, args.device)
    scale = tuple(cfg.frame_scale)
    for path, count, weight in draw_state_images(
        model, args.source, args.out, scale, args.score_thr
    ):
        print(f"{path}: {count} objects, mean weight {weight:.2f}")
    return 0
