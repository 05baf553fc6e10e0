"""Train the CLIP of the mini world from nothing: ``python tools/train_mini_clip.py``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace

from tqdm import tqdm

from vovtrack.errors import InputError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train the CLIP of the mini world on its crops.")
    parser.add_argument(
        "--out",
        default="saved_models/mini/clip_mini.safetensors",
        help="weight file to write (.safetensors)",
    )
    parser.add_argument("--config", default="configs/mini/clip_mini.json", help="open_clip config")
    parser.add_argument("--scenes", type=int, help="rendered scenes of training")
    parser.add_argument("--epochs", type=int, help="passes over the crops")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="render processes")
    return parser.parse_args()


def main() -> int:
    """Train, and print the facts of the result as JSON on stdout."""
    args = parse_args()
    from vovtrack.synthetic.mini_clip.training import ClipSchedule, train_mini_clip

    asked = {"scenes": args.scenes, "epochs": args.epochs}
    schedule = replace(ClipSchedule(), **{k: v for k, v in asked.items() if v is not None})
    with tqdm(desc="training CLIP", unit="step") as bar:

        def show(step: int, steps: int, loss: float) -> None:
            bar.total = steps
            bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
            bar.update()

        try:
            facts = train_mini_clip(
                args.out, args.config, schedule, args.seed, args.workers, progress=show
            )
        except InputError as error:
            print(f"train_mini_clip: {error}", file=sys.stderr)
            return 2
    print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
