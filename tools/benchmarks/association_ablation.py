r"""What stages 3 and 4 do to association on the mini world, over several seeds.

Example, after 'bash tools/quickstart.sh --train':
    for seed in 1 2 3 4; do vovtrack synth --out work_dirs/world$seed --seed $seed; done
    python tools/benchmarks/association_ablation.py --out work_dirs/association \
        --worlds work_dirs/world1 work_dirs/world2 work_dirs/world3 work_dirs/world4

All rows share the detector of the quickstart. Each is tested on the validation videos and on videos
of the domain of the raw clips (other textures, blur, light). One world has 24 and 12 of them, too
few for small differences; numbers are means over all worlds that are given. Run again, finished
rows are kept. The table is written as table.md.

With --start, stage 4 starts from given weights instead of a stage 3 of each seed, which saves the
detector of the quickstart and most of the time:
    python tools/benchmarks/association_ablation.py --out work_dirs/statistics \
        --start saved_models/mini/ovtrack_mini.safetensors --rows stage3 released joint frozen
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ablation_runs import last, run, table_row

from vovtrack.files.atomic import atomic_write

PAIRS, CLIPS = "configs/mini/ovtrack.py", "configs/mini/ovtrack_self_supervised.py"
RELEASED = "configs/mini/ovtrack_self_supervised_released.py"
DETECTOR = "work_dirs/quickstart/detector/epoch_14.pth"
SETS = ("validation", "shifted")
WORLD = Path("work_dirs/quickstart/world")
METRICS = ("TETA", "LocA", "AssocA", "ClsA")
COMPARED = ("TETA", "AssocA")
SPATIAL = "model.spatial_loss."


@dataclass(frozen=True)
class Row:
    """One row of the table: the config that trains it, options, and the row it starts from."""

    title: str
    config: str = CLIPS
    options: tuple[str, ...] = ()
    start: str | None = "stage3"
    test_options: tuple[str, ...] = ()


ROWS = {
    "iou": Row("overlap alone", "", start="stage3", test_options=(
        "model.tracker={'type':'IoUTracker'}",)),
    "random": Row("appearance, random head", PAIRS, ("optim_wrapper.optimizer.lr=0.0",
        "train_cfg.max_epochs=1", "train_dataloader.dataset.indices=12"), None),
    "stage3": Row("stage 3", PAIRS, start=None),
    "released": Row("stage 4 as released", RELEASED),
    "joint": Row("... with all frames in one pass", RELEASED, ("model.separate_views=False",)),
    "frozen": Row("... with frozen statistics", RELEASED, ("model.frozen_bn=eval",)),
    "cycle": Row("stage 4 corrected, without spatial loss", options=("model.spatial_loss=None",)),
    "corrected": Row("stage 4 corrected"),
    "pairs": Row("cycles over pairs alone, without spatial loss", options=(
        "model.spatial_loss=None", "model.cycle_loss.terms=['pair']")),
    "shared": Row("... and one view for a whole clip",
        "configs/mini/ovtrack_self_supervised_pairs.py"),
    "rate": Row("corrected, with the released learning rate", options=(
        "optim_wrapper.optimizer.lr=1e-7",)),
    "statistics": Row("... with drifting batch statistics", options=(
        "model.frozen_bn=train", "model.separate_views=True",
        "model.detector.backbone.norm_eval=True")),
    "clusters": Row("... in 8 clusters", options=("model.num_clusters=8",)),
    "start": Row("... cycles from the larger frame", options=("model.cycle_loss.start=larger",)),
    "places": Row("... with the released spatial targets", options=(
        "model.coordinates=input", f"{SPATIAL}iou_thr=0.95", f"{SPATIAL}neg_iou_thr=None",
        f"{SPATIAL}frame_gap=None", f"{SPATIAL}include_self=True", f"{SPATIAL}balanced=False",
        f"{SPATIAL}flat_boxes=True")),
}  # fmt: skip


def main() -> None:
    """Train and test what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--worlds", type=Path, nargs="+", default=[], help="more worlds to test on")
    parser.add_argument("--start", help="weights in place of stage 3, which then is not trained")
    args = parser.parse_args()
    worlds = [WORLD, *args.worlds]
    for seed in args.seeds:
        for name in dict.fromkeys(["stage3", *args.rows]):  # what all rows are compared with
            weights = train(args.out, name, seed, args.start)
            for world in worlds:
                test(args.out, name, seed, world, weights)
    table = make_table(args.out, args.seeds, args.rows, worlds)
    with atomic_write(args.out / "table.md") as file:
        file.write(table)
    sys.stdout.write(table)


def train(out: Path, name: str, seed: int, start: str | None) -> str:
    """Train a row for one seed, unless it was or needs none; its weights."""
    row, folder = ROWS[name], out / f"seed{seed}" / name
    if name == "stage3" and start:
        return start
    if row.start is None:
        start = DETECTOR
    elif start is None:
        start = last(out / f"seed{seed}" / row.start)
    if not row.config:
        return start
    if not (folder / "done").exists():
        run([
            sys.executable, "tools/train.py", row.config, "--work-dir", folder, "--seed", seed,
            "--resume", "--cfg-options", *row.options, f"load_from={start}",
            "default_hooks.checkpoint.max_keep_ckpts=2",
        ])  # fmt: skip
        with atomic_write(folder / "done"):
            pass
    return last(folder)


def test(out: Path, name: str, seed: int, world: Path, weights: str) -> None:
    """Test the weights of a row on both sets of a world."""
    for which in SETS:
        target = result(out, name, seed, world, which)
        if target.exists():
            continue
        options = [
            f"test_dataloader.dataset.data_root={world}",
            f"test_dataloader.dataset.ann_file=tao/annotations/{which}.json",
            f"test_evaluator.ann_file={world}/tao/annotations/{which}.json",
            f"test_evaluator.out_dir={target.with_suffix('')}",
        ]
        run([
            sys.executable, "tools/test.py", PAIRS, weights, "--work-dir", target.parent / "test",
            "--out", target, "--cfg-options", *options, *ROWS[name].test_options,
        ])  # fmt: skip


def result(out: Path, name: str, seed: int, world: Path, which: str) -> Path:
    """File of the metrics of one test."""
    prefix = "" if world == WORLD else f"{world.name}_"
    return out / f"seed{seed}" / name / f"{prefix}{which}.json"


def make_table(out: Path, seeds: list[int], rows: list[str], worlds: list[Path]) -> str:
    """Mean and spread (standard deviation over seeds) in points, and differences to stage 3."""

    def scores(name: str, seed: int, which: str, group: str) -> dict[str, float]:
        files = [result(out, name, seed, world, which) for world in worlds]
        found = [json.loads(path.read_text()) for path in files]
        return {m: sum(r[f"tao/{group}/{m}"] for r in found) / len(found) for m in METRICS}

    def against_stage3(name: str, seed: int, which: str) -> list[float]:
        ours, start = (scores(n, seed, which, "all") for n in (name, "stage3"))
        return [ours[m] - start[m] for m in COMPARED]

    def table(title: str, header: list[str], cells: Callable[[str, int], list[float]]) -> list[str]:
        head = [f"**{title}**", "", f"| | {' | '.join(header)} |", "|---|" + "---:|" * len(header)]
        body = [table_row(ROWS[name].title, [cells(name, s) for s in seeds]) for name in rows]
        return [*head, *body, ""]

    lines = []
    for which in SETS:
        header = [*METRICS, *(f"{m} - stage 3" for m in COMPARED)]
        lines += table(
            f"{which}, all classes",
            header,
            lambda n, s, w=which: [*scores(n, s, w, "all").values(), *against_stage3(n, s, w)],
        )
        groups = ("base", "novel")
        lines += table(
            f"{which}, base and novel classes",
            [f"{m} {group}" for group in groups for m in METRICS],
            lambda n, s, w=which, g=groups: [v for x in g for v in scores(n, s, w, x).values()],
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
