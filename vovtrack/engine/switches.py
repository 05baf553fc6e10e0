"""What the switches of ``vovtrack train`` and ``vovtrack test`` change in a config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

import vovtrack.engine.mixed_precision  # noqa: F401  registers the optimizer wrapper of --amp
from vovtrack.engine.checkpoint import latest_checkpoint, read_checkpoint
from vovtrack.errors import InputError

TOP_CLASSES = 5
"""Class probabilities that observations keep of each detection, where the config does not say."""


def mix_precision(cfg: Config) -> None:
    """Let training compute in float16 with a scaled loss on a GPU, in bfloat16 on a CPU."""
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = "AmpOptimWrapper"
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    else:
        cfg.optim_wrapper.type = "BFloat16OptimWrapper"


def continue_run(cfg: Config) -> None:
    """Resume from the work directory's last whole checkpoint, else start as the config says.

    The runner itself would resume from ``load_from``, which names the weights to start with.
    """
    latest = latest_checkpoint(cfg.work_dir)
    cfg.resume = latest is not None
    if latest is not None:
        cfg.load_from = str(latest)


def continue_from(cfg: Config, checkpoint: Path) -> None:
    """Continue the run of a checkpoint that the user named.

    Raises:
        InputError: It is missing, or holds weights without the state of a run.
    """
    if not checkpoint.is_file():
        raise InputError(f"Checkpoint '{checkpoint}' does not exist, so no run can continue.")
    content = read_checkpoint(checkpoint)
    if not isinstance(content, Mapping) or not {"optimizer", "message_hub"} <= content.keys():
        raise InputError(
            f"Checkpoint '{checkpoint}' holds weights and no state of a run: start with them by "
            f"--cfg-options load_from={checkpoint}."
        )
    cfg.resume, cfg.load_from = True, str(checkpoint)


def _evaluators(cfg: Config) -> list[Any]:
    """The evaluators of a test, of which a config may name one or several."""
    named = cfg.test_evaluator
    return list(named) if isinstance(named, (list, tuple)) else [named]


def choose_evaluation(cfg: Config, wanted: list[str]) -> None:
    """Let the evaluators of a config judge ``track``, or ``bbox`` and ``segm``."""
    evaluators = _evaluators(cfg)
    detection = [e for e in evaluators if e.get("type") == "LvisDetectionMetric"]
    if detection and set(wanted) <= {"bbox", "segm"}:
        for evaluator in detection:
            evaluator.iou_types = tuple(wanted)
    elif wanted == ["bbox"] and cfg.get("bbox_evaluator") is not None:
        cfg.test_evaluator = cfg.bbox_evaluator
    elif wanted != ["track"] or len(detection) == len(evaluators):
        raise InputError(
            f"--eval {' '.join(wanted)}: this config evaluates by "
            f"{', '.join(str(e.get('type')) for e in evaluators)} "
            f"{'and has' if cfg.get('bbox_evaluator') else 'without'} a bbox_evaluator."
        )


def keep_observations(cfg: Config, folder: str | Path) -> None:
    """Let the model keep what its tracker is given, and a further evaluator write it down."""
    evaluators = _evaluators(cfg)
    tracks = next((e for e in evaluators if e.get("type") == "TaoTrackMetric"), None)
    if tracks is None:
        raise InputError("--observations needs a config that tests a tracker (TaoTrackMetric).")
    cfg.model.setdefault("keep_observations", TOP_CLASSES)
    cfg.test_evaluator = [
        *evaluators,
        dict(
            type="StoreObservations",
            ann_file=tracks.ann_file,
            vocabulary=tracks.vocabulary,
            out_dir=str(folder),
        ),
    ]
