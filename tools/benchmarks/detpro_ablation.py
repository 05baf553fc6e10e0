"""What prompts, distillation and stage 2 do on the mini world, over several seeds.

Example, after 'bash tools/quickstart.sh --train' and the commands of configs/lvis/README.md:
    python tools/benchmarks/detpro_ablation.py --seeds 0 1 2 --out work_dirs/detpro/ablation

Each cell trains from the same detector, is tested on the validation stills, and leaves a JSON file;
run again, finished cells are kept. The table is written as table.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from ablation_runs import last, run, table_row

from vovtrack.files.atomic import atomic_write

TEXT_ONLY = (
    "model.roi_head.distillation=None",
    "model.roi_head.bbox_head.image_branch=False",
    "model.roi_head.fusion=None",
)
PROMPTS = "model.roi_head.classifier.text_bank={out}/seed{seed}/prompts/iou_neg5_ens.safetensors"
STAGE1, STAGE2 = "configs/mini/detpro.py", "configs/mini/detpro_state.py"


@dataclass(frozen=True)
class Cell:
    """One row of the table: what is trained, and from which other row it starts."""

    title: str
    config: str = STAGE1
    options: tuple[str, ...] = ()
    start: str | None = None


CELLS = {
    "templates": Cell("templates", options=TEXT_ONLY),
    "prompts": Cell("learned prompts", options=(*TEXT_ONLY, PROMPTS)),
    "templates_kd": Cell("templates, distillation"),
    "prompts_kd": Cell("learned prompts, distillation", options=(PROMPTS,)),
    "plain": Cell(
        "... and an epoch of stage 2 without weights", STAGE2,
        (PROMPTS, "model.roi_head.state_attention=None"), "prompts_kd",
    ),
    "stage2": Cell("... and stage 2", STAGE2, (PROMPTS,), "prompts_kd"),
    "stage2_released": Cell(
        "... and stage 2 as released", STAGE2,
        (PROMPTS, "model.frozen_bn=train", "model.roi_head.state_attention.detach=False",
         "model.roi_head.state_attention.normalize=count"), "prompts_kd",
    ),
}  # fmt: skip


def main() -> None:
    """Train and test what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    args = parser.parse_args()
    for seed in args.seeds:
        prompts = args.out / f"seed{seed}" / "prompts"
        if not (prompts / "iou_neg5_ens.safetensors").exists():
            train = [sys.executable, "-m", "vovtrack", "prompts", "train"]
            run([*train, "configs/mini/prompts.py", "--work-dir", prompts, "--seed", seed])
        for name in args.cells:
            train_and_test(args.out, name, seed)
    table = make_table(args.out, args.seeds, args.cells)
    with atomic_write(args.out / "table.md") as file:
        file.write(table)
    sys.stdout.write(table)


def train_and_test(out: Path, name: str, seed: int) -> None:
    """Fill one cell for one seed."""
    cell, folder = CELLS[name], out / f"seed{seed}" / name
    result = folder / "metrics.json"
    if result.exists():
        return
    options = [text.format(out=out, seed=seed) for text in cell.options]
    start = [] if cell.start is None else [f"load_from={last(out / f'seed{seed}' / cell.start)}"]
    run([
        sys.executable, "tools/train.py", cell.config, "--work-dir", folder, "--seed", seed,
        "--resume", "--cfg-options", *options, *start, "default_hooks.checkpoint.max_keep_ckpts=2",
    ])  # fmt: skip
    run([
        sys.executable, "tools/test.py", cell.config, last(folder), "--work-dir", folder / "test",
        "--out", result, "--cfg-options", *options, f"test_evaluator.out_dir={folder / 'results'}",
    ])  # fmt: skip


def make_table(out: Path, seeds: list[int], cells: list[str]) -> str:
    """Mean and spread (standard deviation over seeds) of box AP in points."""
    lines = ["| trained with | AP | base AP | novel AP |", "|---|---:|---:|---:|"]
    for name in cells:
        rows = []
        for seed in seeds:
            report = out / f"seed{seed}" / name / "results" / "lvis_bbox.json"
            summary = json.loads(report.read_text())["summary"]
            rows.append([summary[group]["AP"] for group in ("all", "base", "novel")])
        lines.append(table_row(CELLS[name].title, rows))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
