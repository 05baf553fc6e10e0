"""What stages 3 and 4 do to association on the mini world, over several seeds.

Example, after 'bash tools/quickstart.sh':
    python tools/benchmarks/association_ablation.py --seeds 0 1 2 --out work_dirs/association

All rows share the detector of the quickstart. Each is tested on the validation videos and on videos
of the domain of the raw clips (other textures, blur, light). Run again, finished rows are kept. The
table is written as table.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from ablation_runs import last, run, table_row

PAIRS, CLIPS = "configs/mini/ovtrack.py", "configs/mini/ovtrack_self_supervised.py"
RELEASED = "configs/mini/ovtrack_self_supervised_released.py"
DETECTOR = "work_dirs/quickstart/detector/epoch_14.pth"
SETS = ("validation", "shifted")
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
    "cycle": Row("stage 4 corrected, without spatial loss", options=("model.spatial_loss=None",)),
    "corrected": Row("stage 4 corrected"),
    "rate": Row("... with the released learning rate", options=(
        "optim_wrapper.optimizer.lr=1e-7",)),
    "statistics": Row("... with drifting batch statistics", options=(
        "model.frozen_bn=train", "model.backbone.norm_eval=True")),
    "clusters": Row("... in 8 clusters", options=("model.num_clusters=8",)),
    "start": Row("... cycles from the larger frame", options=("model.cycle_loss.start=larger",)),
    "places": Row("... with the released spatial targets", options=(
        "model.coordinates=input", f"{SPATIAL}iou_thr=0.95", f"{SPATIAL}neg_iou_thr=None",
        f"{SPATIAL}frame_gap=None", f"{SPATIAL}include_self=True", f"{SPATIAL}balanced=False")),
}  # fmt: skip


def main() -> None:
    """Train and test what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    args = parser.parse_args()
    for seed in args.seeds:
        train(args.out, "stage3", seed)
        for name in args.rows:
            train(args.out, name, seed)
            test(args.out, name, seed)
    table = make_table(args.out, args.seeds, args.rows)
    (args.out / "table.md").write_text(table)
    sys.stdout.write(table)


def train(out: Path, name: str, seed: int) -> None:
    """Train a row for one seed, unless it was or needs none."""
    row, folder = ROWS[name], out / f"seed{seed}" / name
    if not row.config or (folder / "done").exists():
        return
    start = DETECTOR if row.start is None else last(out / f"seed{seed}" / row.start)
    run([
        sys.executable, "tools/train.py", row.config, "--work-dir", folder, "--seed", seed,
        "--resume", "--cfg-options", *row.options, f"load_from={start}",
        "default_hooks.checkpoint.max_keep_ckpts=2",
    ])  # fmt: skip
    (folder / "done").touch()


def test(out: Path, name: str, seed: int) -> None:
    """Test a row on both sets."""
    row, folder = ROWS[name], out / f"seed{seed}" / name
    weights = last(folder if row.config else out / f"seed{seed}" / row.start)
    for which in SETS:
        target = folder / f"{which}.json"
        if target.exists():
            continue
        options = [
            f"test_dataloader.dataset.ann_file=tao/annotations/{which}.json",
            f"test_evaluator.ann_file=work_dirs/quickstart/world/tao/annotations/{which}.json",
            f"test_evaluator.out_dir={folder / which}",
        ]
        run([
            sys.executable, "tools/test.py", PAIRS, weights, "--work-dir", folder / "test",
            "--out", target, "--cfg-options", *options, *row.test_options,
        ])  # fmt: skip


def make_table(out: Path, seeds: list[int], rows: list[str]) -> str:
    """Mean and spread (standard deviation over seeds) in points."""
    metrics = [f"all/{m}" for m in ("TETA", "LocA", "AssocA", "ClsA")]
    metrics += ["base/AssocA", "novel/AssocA"]
    lines = []
    for which in SETS:
        lines += [f"**{which}**", "", "| | " + " | ".join(metrics) + " |"]
        lines += ["|---|" + "---:|" * len(metrics)]
        for name in rows:
            files = [out / f"seed{seed}" / name / f"{which}.json" for seed in seeds]
            found = [json.loads(path.read_text()) for path in files]
            values = [[report[f"tao/{m}"] for m in metrics] for report in found]
            lines.append(table_row(ROWS[name].title, values))
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
