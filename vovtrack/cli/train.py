"""``vovtrack train``: train the model of a config."""

from __future__ import annotations

import argparse

from vovtrack.cli.old_flags import TRAIN, add_old_flags
from vovtrack.cli.process import choose_device

HELP = "train the model of a config"
EXAMPLES = (
    "vovtrack train configs/mini/ovtrack.py --work-dir work_dirs/mini --resume",
    "vovtrack train configs/mini/ovtrack.py --cfg-options train_cfg.max_epochs=2 load_from=A.pth",
    "vovtrack train configs/mini/detector.py --amp bf16 --seed 0 --log tensorboard",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--resume",
        "--auto-resume",
        action="store_true",
        help="continue from the last checkpoint in --work-dir, if there is one",
    )
    parser.add_argument(
        "--resume-from", metavar="FILE", help="continue the run that wrote this checkpoint"
    )
    parser.add_argument(
        "--amp",
        nargs="?",
        const=True,
        default=False,
        choices=("bf16", "fp16"),
        help="train in mixed precision; without a word float16 on a GPU, bfloat16 on a CPU",
    )
    add_run_arguments(parser)
    add_old_flags(parser, TRAIN)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share."""
    parser.add_argument("--work-dir", metavar="DIR", help="folder of logs, checkpoints, results")
    parser.add_argument(
        "--log",
        nargs="+",
        choices=("tensorboard", "wandb"),
        default=[],
        help="send losses and metrics to TensorBoard, Weights & Biases too",
    )
    parser.add_argument("--seed", type=int, help="seed of all random generators")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    parser.add_argument(
        "--launcher", choices=("none", "pytorch", "slurm"), default="none", help="process starter"
    )
    add_config_arguments(parser, "train_cfg.max_epochs=10")


def add_config_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add what every verb that reads a config may change of it."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"change keys of the config, for example {example}",
    )
    add_trust_argument(parser)


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add the opt-in for configs that are programs of somebody else."""
    parser.add_argument(
        "--trust-config",
        action="store_true",
        help="run a .py config that lies outside of the project's configs",
    )


def run(args: argparse.Namespace) -> int:
    """Train; the exit code is 0 when training reached its end."""
    choose_device(args.device, args.launcher)
    from vovtrack.engine import run as launch

    launch.train(
        args.config,
        work_dir=args.work_dir,
        resume=args.resume,
        resume_from=args.resume_from,
        amp=args.amp,
        log=args.log,
        seed=args.seed,
        launcher=args.launcher,
        cfg_options=args.cfg_options,
        trust_config=args.trust_config,
    )
    return 0
