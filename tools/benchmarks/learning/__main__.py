"""Does quasi-dense association learn? QDTrack from scratch on rendered videos, against rivals.

Example, from the root of the repository:
    python -m tools.benchmarks.learning --out work_dirs/learning

Renders 320 videos in BDD100K's form (the last 20 to test on), trains the rows that learn by every
seed, tracks the same detections with every row, and writes a table anew after each of them. What
is done is kept. By default the detections are annotated boxes, which isolates association; with
--detector they are those of the quasi-dense row of the first seed.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.benchmarks.commands import run_vovtrack
from tools.benchmarks.learning.detections import (
    Frame,
    Recipe,
    detect,
    embeddings,
    find,
    histograms,
    oracle,
)
from tools.benchmarks.learning.tracking import METRICS, score, track
from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.run import load_config
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.files.atomic import atomic_write
from vovtrack.registry import DATASETS, MODELS

CONFIG = "configs/mini/qdtrack.py"
DIALS = (
    "speed=8", "reentry=2", "occlusion=0.5", "shake=2", "crowd=1.25", "drift=6", "tints=0",
    "lookalikes=0", "photographs=2.2", "blur=0", "darkness=0",
)  # fmt: skip
WORLD = (
    "--format", "bdd100k", "--videos", "320", "--held-out", "20", "--frames", "20",
    "--width", "192", "--height", "128", "--seed", "5",
    *(word for dial in DIALS for word in ("--dial", dial)),
)  # fmt: skip
LEARNED: dict[str, tuple[str, ...]] = {
    "quasi-dense": (),
    "one positive per object": ("model.pair_sampler.assigner.pos_iou_thr=0.999",),
    "static pairs only": ("train_dataloader.dataset.pick.scope=0",),
    "shuffled identities": (
        "train_dataloader.dataset.ann_file=labels/box_track_20/train_shuffled",
    ),
}
"""Rows that are trained, with their options."""
MOTION = dict(overlap="iou", SORT="sort", ByteTrack="bytetrack", OC_SORT="ocsort")
COSINES = (0.6, 0.7, 0.8, 0.9)
"""Thresholds of the colour histograms, of which the best counts: they are given every chance."""
SOFTMAXES = (0.05, 0.1, 0.15, 0.2, 0.25)
"""The same of networks, beside the tracker's own, which short embeddings never reach."""

Scores = dict[str, float]


def main() -> int:
    """Render, train, track, and print the table."""
    args = _arguments()
    world = args.out / "world"
    if not (rendered := args.out / "rendered").exists():
        run_vovtrack(args.out / "world.log", "synth", *WORLD, "--out", world)
        _shuffle(world / "labels/box_track_20", seed=0)
        rendered.touch()
    cfg = load_config(CONFIG, cfg_options=_data(world))
    init_default_scope(cfg.default_scope)
    dataset: VideoDataset = DATASETS.build(cfg.test_dataloader.dataset)
    if args.detector:
        seed = args.seeds[0]
        weights = _train(args.out, "quasi-dense", (), seed, args.epochs)
        videos = find(_model(cfg, seed, weights), dataset)
    else:
        videos = detect(dataset, Recipe(shake=args.shake))
    tracker = cfg.model.tracker.to_dict()

    def rate(tracker: dict, embeds: Iterable[list[Tensor]] | None = None) -> Scores:
        labels = world / "labels/box_track_20/val"
        return score(dataset, labels, track(tracker, videos, embeds))

    boxes = f"detector{args.seeds[0]}" if args.detector else f"{args.shake}"
    table = args.out / f"table_{boxes}.json"
    rows: dict[str, list[Scores]] = json.loads(table.read_text()) if table.exists() else {}
    for name, make in _rows(args, cfg, dataset, videos, tracker, rate):
        if name not in rows:
            rows[name] = list(make())
            with atomic_write(table) as file:
                json.dump(rows, file, indent=1)
            with atomic_write(table.with_suffix(".md")) as file:
                file.write(_table(rows))
    print(_table(rows))
    return 0


def _rows(
    args: argparse.Namespace,
    cfg: Config,
    dataset: VideoDataset,
    videos: list[list[Frame]],
    tracker: dict,
    rate: Callable[..., Scores],
) -> Iterator[tuple[str, Callable[[], Iterable[Scores]]]]:
    """Names of rows, and what makes their scores, one for each seed."""

    def learned(name: str, thresholds: tuple[float, ...]) -> Iterator[Scores]:
        for seed in args.seeds:
            weights = _train(args.out, name, LEARNED[name], seed, args.epochs)
            model = _model(cfg, seed, weights)
            yield best(list(embeddings(model, dataset, videos)), thresholds)

    def best(found: list[list[Tensor]], thresholds: tuple[float, ...], **options: str) -> Scores:
        tries = [rate(dict(tracker, match_score_thr=t, **options), found) for t in thresholds]
        return max(tries, key=lambda scores: scores["IDF1"])

    def untrained(cfg: Config, thresholds: tuple[float, ...]) -> Iterator[Scores]:
        for seed in args.seeds:
            yield best(list(embeddings(_model(cfg, seed), dataset, videos)), thresholds)

    def colours() -> Iterator[Scores]:
        yield best(list(histograms(dataset, videos)), COSINES, match_metric="cosine")

    for name, short in MOTION.items():
        yield name, lambda short=short: [rate(find_tracker(short))]
    yield "colour histograms", colours
    yield "one-hot oracle", lambda: [rate(tracker, oracle(videos))]
    own = (tracker["match_score_thr"],)
    random = copy.deepcopy(cfg)
    random.model.detector.backbone.init_cfg = None
    yield "untrained", lambda: untrained(cfg, own)
    yield "untrained, its best threshold", lambda: untrained(cfg, SOFTMAXES)
    yield "untrained, CLIP's tower too, its best threshold", lambda: untrained(random, SOFTMAXES)
    for name in args.rows:
        yield name, lambda name=name: learned(name, own)
        yield f"{name}, its best threshold", lambda name=name: learned(name, SOFTMAXES)


def _model(cfg: Config, seed: int, weights: Path | None = None) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    if weights:
        load_checkpoint_into(model, weights)
    return model.eval()


def _train(out: Path, name: str, options: tuple[str, ...], seed: int, epochs: int) -> Path:
    """Weights of a row, trained if they were not."""
    folder = out / name.replace(" ", "_") / f"seed{seed}"
    done = folder / f"epoch_{epochs}.pth"
    if not done.exists():
        begin = time.monotonic()
        run_vovtrack(
            folder.with_suffix(".log"), "train", CONFIG, "--work-dir", folder, "--resume",
            "--seed", seed, "--cfg-options", *_data(out / "world"), *options,
            f"train_cfg.max_epochs={epochs}", f"param_scheduler.1.T_max={epochs}",
        )  # fmt: skip
        print(f"{name}, seed {seed}: {time.monotonic() - begin:.0f} s", flush=True)
    return done


def _data(world: Path) -> list[str]:
    """Options that name the world."""
    return [
        f"train_dataloader.dataset.data_root={world.absolute()}",
        f"test_dataloader.dataset.data_root={world.absolute()}",
        f"test_evaluator.ann_file={world.absolute()}/labels/box_track_20/val",
    ]


def _shuffle(labels: Path, seed: int) -> None:
    """Write the training labels again, with the identities of each frame dealt anew."""
    rng, shuffled = np.random.default_rng(seed), labels / "train_shuffled"
    for path in sorted((labels / "train").glob("*.json")):
        frames = json.loads(path.read_text())
        everyone = sorted({label["id"] for frame in frames for label in frame["labels"]})
        for frame in frames:
            dealt = rng.permutation(everyone)
            for label, name in zip(frame["labels"], dealt, strict=False):
                label["id"] = str(name)
        shuffled.mkdir(exist_ok=True)
        with atomic_write(shuffled / path.name) as file:
            json.dump(frames, file)


def _table(rows: dict[str, list[Scores]]) -> str:
    lines = ["| row | seeds | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 2) + "|"]
    for name, found in rows.items():
        cells = []
        for metric in METRICS:
            values = [scores[metric] for scores in found]
            spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.1f}{spread}")
        lines.append(f"| {name.replace('_', '-')} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.learning", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the world and all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--epochs", type=int, default=1, help="of 1500 steps; default: 1")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--detector", action="store_true", help="track what the detector finds")
    what.add_argument(
        "--shake",
        type=float,
        default=Recipe().shake,
        help="of the annotated boxes, in parts of their size; default: %(default)s",
    )
    parser.add_argument(
        "--rows", nargs="*", default=list(LEARNED), metavar="ROW", help=f"of {list(LEARNED)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
