"""``vovtrack test``: run a checkpoint over the test set of a config and print the metrics."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vovtrack.cli.old_flags import TEST, add_old_flags
from vovtrack.cli.process import choose_device
from vovtrack.cli.train import add_run_arguments

HELP = "test a checkpoint on the test set of a config"
EXAMPLES = (
    "vovtrack test configs/mini/ovtrack.py saved_models/mini/ovtrack_mini.safetensors --out a.json",
    "vovtrack test configs/mini/ovtrack.py work_dirs/mini --eval-options "
    "resfile_path=results/epochs",
    "vovtrack test configs/mini/ovtrack.py A.pth --observations work_dirs/observations "
    "--show-dir seen",
)
INPUTS = {"config": "the config", "checkpoint": "the checkpoint"}
OUTPUTS = ("out",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "checkpoint", help="weights to test, or a work directory, to test each of its epochs"
    )
    parser.add_argument(
        "--eval",
        nargs="+",
        metavar="WHAT",
        help="what to evaluate: track, bbox, segm, or what else the metrics of the config judge; "
        "default is what the config evaluates",
    )
    parser.add_argument(
        "--eval-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="options of the evaluator, for example resfile_path=results/run1",
    )
    parser.add_argument(
        "--format-only", action="store_true", help="write the result files, do not evaluate"
    )
    parser.add_argument("--out", metavar="FILE", help="write the metrics to this JSON file")
    parser.add_argument(
        "--observations",
        metavar="DIR",
        help="keep all detections with their embeddings there, for 'vovtrack replay'",
    )
    parser.add_argument(
        "--tta",
        action="store_true",
        help="let a detector see each image in several sizes, also mirrored (key 'tta')",
    )
    parser.add_argument("--show-dir", metavar="DIR", help="draw the results into this folder")
    parser.add_argument(
        "--show-score-thr",
        "--show_score_thr",
        type=float,
        metavar="SCORE",
        help="smallest score that is drawn (default: the model's own threshold)",
    )
    parser.add_argument(
        "--fuse-conv-bn",
        action="store_true",
        help="fold batch norms into convolutions: faster, equal up to rounding",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="let torch.compile translate backbone and neck: the first frames take longer",
    )
    parser.add_argument("--amp", choices=["bf16", "fp16"], help="mixed precision")
    add_run_arguments(parser)
    add_old_flags(parser, TEST)


def run(args: argparse.Namespace) -> int:
    """Test; the exit code is 0 when the whole test set was run."""
    choose_device(args.device, args.launcher)
    from vovtrack.engine import run as launch

    switches = dict(
        evaluate=args.eval,
        eval_options=args.eval_options,
        format_only=args.format_only,
        out=args.out,
        observations=args.observations,
        tta=args.tta,
        fuse_conv_bn=args.fuse_conv_bn,
        compile=args.compile,
        amp=args.amp,
        show_dir=args.show_dir,
        show_score_thr=args.show_score_thr,
        log=args.log,
        work_dir=args.work_dir,
        seed=args.seed,
        launcher=args.launcher,
        cfg_options=args.cfg_options,
        trust_config=args.trust_config,
    )
    if not Path(args.checkpoint).is_dir():
        launch.test(args.config, args.checkpoint, **switches)
        return 0
    from vovtrack.engine.sweep import test_checkpoints
    from vovtrack.evaluation.reports.tables import text_table

    header, rows = test_checkpoints(args.config, args.checkpoint, **switches)
    if rows and os.environ.get("RANK", "0") == "0":
        print(text_table(header, rows))
    return 0
