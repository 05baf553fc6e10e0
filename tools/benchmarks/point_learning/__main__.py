"""Does the point tracker learn? Track-On from scratch on rendered videos, against rivals.

Example, from the root of the repository:
    python -m tools.benchmarks.point_learning --out work_dirs/point_learning

Renders clips to learn from, and slow and fast videos of other pictures to test on, trains
configs/trackon/mini.py by every seed, and writes table.md, with the bars that are met, anew after
each of them. With --pictures photographs all of it is made of photographs, and with --config
configs/trackon/mini2.py Track-On2 is trained. What is done is kept.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

from mmengine.config import Config

from tools.benchmarks.commands import run_vovtrack
from tools.benchmarks.point_learning import network, report
from tools.benchmarks.point_learning.pictures import KINDS, write_pictures
from tools.benchmarks.point_learning.rivals import chained_lucas_kanade, correlation, static
from tools.benchmarks.point_learning.videos import Video, rate, read_videos
from vovtrack.engine.run import load_config
from vovtrack.files.atomic import atomic_write

CONFIG = "configs/trackon/mini.py"
DIALS = ("--dial", "blur=0", "--dial", "lookalikes=0", "--dial", "crowd=0.6")
TRAINED_SPEED = 2.0
SPEEDS = dict(slow=1.0, fast=2.5)
"""World to test on -> its dial."""
FRAMES = 12


def main() -> int:
    """Render, train, follow, and print the tables and the bars."""
    args = _arguments()
    if not (rendered := args.out / "rendered").exists():
        _render(args)
        rendered.touch()
    cfg = load_config(args.config)
    worlds = {name: read_videos(args.out / name / "tapvid.pkl") for name in SPEEDS}
    tables: dict[str, report.Rows] = {
        name: {
            report.STATIC: [rate(videos, static)],
            report.LUCAS_KANADE: [rate(videos, chained_lucas_kanade)],
            report.CORRELATION: [rate(videos, correlation)],
            **{row: [] for row in (report.UNTRAINED, report.LEARNED, report.FORGETFUL)},
        }
        for name, videos in worlds.items()
    }
    for seed in args.seeds:
        weights = _train(args, cfg, seed)
        for name, videos in worlds.items():
            rows = tables[name]
            rows[report.UNTRAINED].append(_rated(cfg, seed, None, videos))
            rows[report.LEARNED].append(_rated(cfg, seed, weights, videos))
            forgetful = network.without_memory(network.load(cfg, seed, weights))
            rows[report.FORGETFUL].append(rate(videos, network.rival(forgetful)))
        text = _write(args.out, tables, worlds, _chance(cfg))
    print(text)
    return 0


def _rated(cfg: Config, seed: int, weights: Path | None, videos: list[Video]) -> report.Scores:
    """Scores of the network, and its loss over patches."""
    model = network.load(cfg, seed, weights)
    found = rate(videos, network.rival(model))
    return found | {report.PATCH_LOSS: network.patch_loss(model, videos)}


def _chance(cfg: Config) -> float:
    """The loss over patches of one who knows nothing."""
    model = network.load(cfg, seed=0)
    return model.losses.weights["point_loss"] * math.log(math.prod(model.grid))


def _render(args: argparse.Namespace) -> None:
    """Clips to learn from, somewhat larger than what is cut out of them, and videos to test on."""
    write_pictures(args.out / "pictures", args.pictures)
    test = ("--format", "tapvid", "--videos", args.test_videos, "--width", 128, "--height", 96)
    jobs = {name: ("test", speed, test) for name, speed in SPEEDS.items()}
    train = ("--format", "movi", "--videos", args.videos, "--width", 160, "--height", 120)
    jobs["world"] = ("train", TRAINED_SPEED, train)
    for seed, (name, (split, speed, words)) in enumerate(jobs.items()):
        run_vovtrack(
            args.out / f"{name}.log", "synth", "--photos", args.out / "pictures" / split, *words,
            "--frames", FRAMES, *DIALS, "--dial", f"speed={speed}", "--seed", seed,
            "--out", args.out / name,
        )  # fmt: skip


def _train(args: argparse.Namespace, cfg: Config, seed: int) -> Path:
    """Weights of a seed, trained if they were not."""
    folder, epochs = args.out / f"seed{seed}", args.epochs or cfg.train_cfg.max_epochs
    done = folder / f"epoch_{epochs}.pth"
    if not done.exists():
        begin = time.monotonic()
        run_vovtrack(
            folder.with_suffix(".log"), "train", args.config, "--work-dir", folder, "--resume",
            "--seed", seed, "--cfg-options", f"train_cfg.max_epochs={epochs}",
            f"param_scheduler.1.T_max={epochs}",
            f"train_dataloader.dataset.data_root={(args.out / 'world').absolute()}",
        )  # fmt: skip
        print(f"seed {seed}: {time.monotonic() - begin:.0f} s", flush=True)
    return done


def _write(
    out: Path, tables: dict[str, report.Rows], worlds: dict[str, list[Video]], chance: float
) -> str:
    lines = []
    for name, rows in tables.items():
        bars = report.bars(rows, worlds[name], chance)
        lines += [f"## {name}", "", *report.table(rows), "", *bars, ""]
    text = "\n".join(lines)
    with atomic_write(out / "table.json") as file:
        json.dump(tables, file, indent=1)
    with atomic_write(out / "table.md") as file:
        file.write(text)
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.point_learning", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the worlds and all runs")
    parser.add_argument("--config", default=CONFIG, help=f"what is trained; default: {CONFIG}")
    parser.add_argument("--pictures", choices=KINDS, default="noise", help="default: noise")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--epochs", type=int, help="default: those of the config")
    parser.add_argument("--videos", type=int, default=480, help="to learn from; default: 480")
    parser.add_argument("--test-videos", type=int, default=40, help="of each world; default: 40")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
