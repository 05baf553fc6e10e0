"""Switches of the original command lines, and what to type today."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from vovtrack.errors import InputError

GPUS = "tools/dist_train.sh CONFIG GPUS starts several processes, --device chooses a GPU for one"
COLLECTED = "results of all processes are collected through their files; leave it out"
THRESHOLDS = (
    "keep detections by 'vovtrack test --observations DIR', then try settings in seconds by "
    "'vovtrack replay DIR --grid model.tracker.match_score_thr=0.3,0.35 --boxes 50 110'"
)
STATES = "type a test for each value of model.roi_head.state_scoring.scale, or .threshold"
FOLDER = "give the folder of the checkpoints in place of CHECKPOINT, and each epoch is tested"
BOTH: dict[str, str] = {
    "--gpus": GPUS,
    "--gpu-ids": GPUS,
    "--gpu-id": GPUS,
    "--deterministic": "type --cfg-options randomness.deterministic=True",
}
TRAIN: dict[str, str] = {
    **BOTH,
    "--options": "this is --cfg-options",
    "--load-from": "type --cfg-options load_from=FILE",
    "--no-validate": "type --cfg-options val_cfg=None val_dataloader=None val_evaluator=None",
    "--diff-seed": "type --cfg-options randomness.diff_rank_seed=True",
    "--auto-scale-lr": "type --cfg-options optim_wrapper.optimizer.lr=LR, the config's value times "
    "your images in a step and divided by those that its first lines name",
}
TEST: dict[str, str] = {
    **BOTH,
    "--options": "this is --eval-options",
    "--show": "--show-dir DIR draws the results",
    "--gpu-collect": COLLECTED,
    "--tmpdir": COLLECTED,
    "--early-stop": "for a short look type 'vovtrack track FRAMES --max-frames 31'",
    "--off-eval": "with --format-only the files can be evaluated at any time by 'vovtrack evaluate "
    "--gt FILE --pred DIR/tao_track.json'",
    **dict.fromkeys(("--checkpoint-dir", "--checkpoint-l-index", "--checkpoint-r-index"), FOLDER),
    **{
        f"--{side}-{name}": THRESHOLDS
        for side in ("l", "r")
        for name in ("match-score-thres", "max-bbox")
    },
    **{f"--{name}-interval": THRESHOLDS for name in ("match-score-thres", "max-bbox")},
    **{
        f"--{side}-{name}": STATES
        for side in ("l", "r")
        for name in ("alpha-prob", "alpha-prob-thres")
    },
    **{f"--{name}-interval": STATES for name in ("alpha-prob", "alpha-prob-thres")},
}


class _Answer(argparse.Action):
    """Says what to type instead."""

    def __init__(self, answer: str, **arguments: Any) -> None:
        super().__init__(nargs="*", help=argparse.SUPPRESS, default=argparse.SUPPRESS, **arguments)
        self.answer = answer

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        raise InputError(f"{option}: {self.answer}.")


def add_old_flags(parser: argparse.ArgumentParser, answers: Mapping[str, str]) -> None:
    """Let a parser answer switches that it does not have.

    Args:
        parser: The parser.
        answers: What to type, by switch.
    """
    for flag, answer in answers.items():
        parser.add_argument(flag, action=_Answer, answer=answer)
    # Old starters of processes hand it over; new ones set the variable that is read.
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
