"""``vovtrack inspect``: what a config says, what it feeds, what it costs, what a run has logged."""

from __future__ import annotations

import argparse
from pathlib import Path

from vovtrack.cli.train import add_config_arguments

HELP = "look into a config, its data, its cost, or the log of a run"
EXAMPLES = (
    "vovtrack inspect config configs/mini/ovtrack.py --keys",
    "vovtrack inspect logs work_dirs/mini --keys loss loss_track --out curves.png",
    "vovtrack inspect flops configs/lvis/detpro_ens_20e.py --scale 1333 800",
    "vovtrack inspect config configs/mini/ovtrack.py",
    "vovtrack inspect config configs/mini/ovtrack.py --cfg-options train_cfg.max_epochs=2",
    "vovtrack inspect data configs/mini/ovtrack.py --out work_dirs/samples",
    "vovtrack inspect data configs/mini/ovtrack.py --out work_dirs/samples --number 16 --seed 1",
    "vovtrack inspect data configs/mini/ovtrack.py --split test --out work_dirs/samples",
    "vovtrack inspect logs work_dirs/mini",
    "vovtrack inspect logs work_dirs/one work_dirs/two --out curves.png",
    "vovtrack inspect flops configs/mini/ovtrack.py",
    "vovtrack inspect flops configs/mini/ovtrack.py --cfg-options "
    "model.test_cfg.rpn.max_per_img=300",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subjects."""
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)

    config = subjects.add_parser("config", help="print a config, its bases and options applied")
    config.add_argument("config", help="config file")
    config.add_argument(
        "--keys", action="store_true", help="one line for each key that --cfg-options can set"
    )
    add_config_arguments(config, "train_cfg.max_epochs=10")

    data = subjects.add_parser("data", help="draw samples as the data pipeline leaves them")
    data.add_argument("config", help="config file")
    data.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    data.add_argument("--split", choices=("train", "val", "test"), default="train")
    data.add_argument("--number", type=int, default=8, metavar="N", help="samples (default: 8)")
    data.add_argument("--seed", type=int, default=0, help="seed of the augmentation")
    add_config_arguments(data, "train_dataloader.dataset.ann_file=FILE")

    logs = subjects.add_parser("logs", help="tables and curves of what trainings have logged")
    logs.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="work directory of a run")
    logs.add_argument("--keys", nargs="+", default=["loss"], help="what to draw (default: loss)")
    logs.add_argument("--out", type=Path, metavar="FILE", help="picture of the curves")

    flops = subjects.add_parser("flops", help="count parameters and operations of a model")
    flops.add_argument("config", help="config file")
    flops.add_argument(
        "--scale",
        type=int,
        nargs=2,
        metavar=("W", "H"),
        help="size of the network input (default: the config's frame_scale)",
    )
    add_config_arguments(flops, "model.test_cfg.rpn.max_per_img=300")


def run(args: argparse.Namespace) -> int:
    """Print or draw what was asked for."""
    dict(config=_config, data=_data, logs=_logs, flops=_flops)[args.subject](args)
    return 0


def _load(args: argparse.Namespace):
    from vovtrack.engine.run import load_config

    return load_config(args.config, cfg_options=args.cfg_options, trust_config=args.trust_config)


def _config(args: argparse.Namespace) -> None:
    from vovtrack.engine.options import settable_keys

    cfg = _load(args)
    if args.keys:
        print("\n".join(f"{key} = {value!r}" for key, value in settable_keys(cfg).items()))
    else:
        print(cfg.pretty_text)


def _data(args: argparse.Namespace) -> None:
    from vovtrack.engine.samples import draw_samples

    for path, views, objects in draw_samples(
        _load(args), args.out, args.split, args.number, seed=args.seed
    ):
        print(f"{path}: {views} view{'s' if views > 1 else ''}, {objects} objects")


def _logs(args: argparse.Namespace) -> None:
    from vovtrack.engine.run_logs import curve, read_log, training_rows, validation_rows
    from vovtrack.evaluation.reports.tables import text_table
    from vovtrack.visualization.curves import plot_curves

    curves = {}
    for run in args.runs:
        records = read_log(run)
        print(f"{run}:")
        for header, rows in (training_rows(records), validation_rows(records)):
            if rows:
                print(text_table(header, rows))
        if args.out:
            several = len(args.runs) > 1
            for key in args.keys:
                curves[f"{run.name} {key}" if several else key] = curve(records, key)
    if args.out:
        plot_curves(curves, args.out, "iteration, or epoch for metrics")
        print(f"curves in {args.out}")


def _flops(args: argparse.Namespace) -> None:
    from vovtrack.engine.complexity import count_costs
    from vovtrack.evaluation.reports.tables import text_table

    costs = count_costs(_load(args), args.scale and tuple(args.scale))
    rows = [
        [cost.part, f"{cost.parameters / 1e6:.2f}", f"{cost.flops / 1e9:.2f}",
         f"{cost.flops / 2e9:.2f}"]
        for cost in costs
    ]  # fmt: skip
    print(text_table(["part", "M parameters", "GFLOPs", "G multiply-adds"], rows))
    print("Products of matrices and convolutions, for one image, with random weights.")
