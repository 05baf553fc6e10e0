"""Does KeepTrack tell a target from what looks like it? The mini DiMP with it and without.

Example, from the root of the repository, after tools.benchmarks.box_learning has trained DiMP:
    python -m tools.benchmarks.box_learning.lookalikes --trained work_dirs/box_learning \
        --out work_dirs/lookalikes

Renders videos in which everything looks like the target and crosses its way, notes what each
trained DiMP takes for its target, trains configs/sot/keep_track_mini.py on it, and writes table.md
anew after each seed. What is done is kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.benchmarks.box_learning import network
from tools.benchmarks.box_learning.__main__ import Rows, table
from tools.benchmarks.box_learning.videos import rate, read_videos
from tools.benchmarks.commands import run_vovtrack
from vovtrack.engine.run import load_config
from vovtrack.engine.weights.checkpoint import latest_checkpoint
from vovtrack.files.atomic import atomic_write

DIMP, CONFIG = "configs/sot/mini.py", "configs/sot/keep_track_mini.py"
DIALS = dict(
    speed=2, lookalikes=3, shared_texture=1, tints=0, crowd=0.5, occlusion=0, reentry=0, darkness=0
)
"""Every object is of the class of the first one, and has its surface and colours; half as many as
usual and in plain sight, so that nothing but the others hides the target."""
LEAST = 5.0
"""How much mean overlap KeepTrack is to gain, in percent, in the worst seed."""
WITHOUT, WITH = "DiMP", "KeepTrack"


def main() -> int:
    """Render, note, train, follow, and print the table and the bar."""
    args = _arguments()
    world = (args.out / "world").absolute()
    if not (world / "train").exists():
        dials = [word for name, value in DIALS.items() for word in ("--dial", f"{name}={value}")]
        run_vovtrack(
            args.out / "world.log", "synth", "--format", "got10k", "--videos", args.videos,
            "--held-out", args.test_videos, "--width", 128, "--height", 128, *dials, "--out", world,
        )  # fmt: skip
    videos = read_videos(world / "val", args.test_videos)
    rows: Rows = {name: [] for name in (WITHOUT, WITH)}
    for seed in args.seeds:
        dimp = latest_checkpoint(args.trained / f"seed{seed}")
        if dimp is None:
            raise SystemExit(
                f"{args.trained / f'seed{seed}'} has no checkpoint of DiMP: run "
                f"python -m tools.benchmarks.box_learning --out {args.trained} first."
            )
        pairs = ((WITHOUT, DIMP, dimp), (WITH, CONFIG, _train(args, world, seed, dimp)))
        for name, config, weights in pairs:
            cfg = load_config(config)
            follow = network.rival(network.tracker(cfg, network.load(cfg, seed, weights)))
            rows[name].append(rate(videos, follow))
        text = "\n".join([*table(rows), "", bar(rows), ""])
        with atomic_write(args.out / "table.md") as file:
            file.write(text)
    print(text)
    return 0


def bar(rows: Rows) -> str:
    """By how much the worst seed is better, what is asked for, and whether that is met."""
    gain = min(a["AO"] - b["AO"] for a, b in zip(rows[WITH], rows[WITHOUT], strict=True))
    verdict = "met" if gain >= LEAST else "MISSED"
    return f"- AO of KeepTrack over the same DiMP: {gain:+.1f}, asked for {LEAST:+.0f}: {verdict}"


def _train(args: argparse.Namespace, world: Path, seed: int, dimp: Path) -> Path:
    """Weights of a matcher that is trained on what DiMP takes for its targets."""
    folder, noted = args.out / f"seed{seed}", args.out / f"candidates{seed}.json"
    if not noted.exists():
        words = [DIMP, dimp, "--data", world / "train", "--out", noted]
        command = [sys.executable, "tools/record_candidates.py", *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    source = "train_dataloader.dataset.source"
    run_vovtrack(
        folder.with_suffix(".log"), "train", CONFIG, "--work-dir", folder, "--resume", "--seed",
        seed, "--cfg-options", f"load_from={dimp}", f"{source}.ann_file={world / 'train'}",
        f"{source}.data_prefix.img={world / 'train'}",
        f"train_dataloader.dataset.candidates={noted}", *args.cfg_options,
    )  # fmt: skip
    done = latest_checkpoint(folder)
    assert done is not None, "a run that ends well leaves one"
    return done


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.box_learning.lookalikes",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("--trained", type=Path, required=True, help="--out of box_learning")
    parser.add_argument("--out", type=Path, required=True, help="folder of the world and all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--videos", type=int, default=300, help="to learn from; default: 300")
    parser.add_argument("--test-videos", type=int, default=60, help="default: 60")
    parser.add_argument("--cfg-options", nargs="+", default=[], help="of the matcher's training")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
