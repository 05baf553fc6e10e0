"""Train and test a config with the mmengine runner: one function each, for command line and Python.

The same calls run in one process or under ``torchrun``/``srun`` (``launcher``). On a machine
without CUDA several processes talk through gloo.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Literal

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from vovtrack import compat
from vovtrack.engine import switches
from vovtrack.engine.configs import find_config, misfits_told, read_config
from vovtrack.engine.options import apply_options
from vovtrack.engine.processes import reported_workers
from vovtrack.engine.weights.checkpoint import bare_model, load_checkpoint_into, load_weights
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import check_checkpoint_file
from vovtrack.files.folders import held_folders

_KEPT = "Checkpoints are kept: add --resume to continue."
_RUNS = count()
"""Numbers the runs of this process."""


def train(
    config: str | Path | Config,
    *,
    work_dir: str | Path | None = None,
    resume: bool = False,
    resume_from: str | Path | None = None,
    amp: bool | Literal["bf16", "fp16"] = False,
    log: Sequence[str] = (),
    seed: int | None = None,
    launcher: str = "none",
    cfg_options: Sequence[str] = (),
    trust_config: bool = False,
) -> None:
    """Train the model of a config; checkpoints and logs go to the work directory.

    Args:
        config: Config file, or a loaded config.
        work_dir: Folder of checkpoints and logs; default is the config's own, else
            ``work_dirs/<config name>``.
        resume: Continue from the last checkpoint of the work directory.
        resume_from: Continue the run that wrote this checkpoint, wherever it lies.
        amp: Train in mixed precision: ``bf16``, ``fp16``, or True for float16 on a GPU and bfloat16
            on a CPU; default is the config's ``amp``, else float32.
        log: Where losses and metrics go beside the log files: ``tensorboard``, ``wandb``.
        seed: Seed of every random generator; default is the config's.
        launcher: ``none``, ``pytorch`` (torchrun) or ``slurm``.
        cfg_options: ``key=value`` texts, see :mod:`vovtrack.engine.options`.
        trust_config: Run a ``.py`` config from outside of the project.

    Raises:
        InputError: Unknown config or option, a config that cannot be trained, a work directory
            that another run is writing to, or a data worker that died.
    """
    cfg = load_config(config, cfg_options=cfg_options, work_dir=work_dir, trust_config=trust_config)
    if cfg.get("train_dataloader") is None or cfg.get("train_cfg") is None:
        raise InputError(
            f"Config '{config}' has no training part (train_cfg, train_dataloader): "
            "it can only be tested."
        )
    switches.settle_validation(cfg, cfg_options)
    if resume_from or cfg.get("resume_from"):
        switches.continue_from(cfg, Path(resume_from or cfg.resume_from))
    elif resume or cfg.get("resume"):
        switches.continue_run(cfg)
    if cfg.get("load_from") and "://" not in cfg.load_from:
        # The runner reads it only after the dataset is indexed, which may take minutes.
        _check_start(cfg.load_from)
    if amp := amp or cfg.get("amp"):
        switches.mix_precision(cfg, amp)
    switches.log_to(cfg, log)
    # The first process holds the folder for all of its run, before the runner writes there.
    with held_folders([cfg.work_dir] if _is_first(launcher) else ()):
        runner = _build_runner(cfg, launcher, seed, "train")
        with reported_workers("train_dataloader", _KEPT):
            runner.train()


def _check_start(path: str) -> None:
    """Refuse weights to start with that are missing or cannot be read."""
    if not Path(path).exists():
        from vovtrack.engine.weights.download import how_to_get

        raise InputError(
            f"Checkpoint '{path}', which training starts from (load_from), does not exist: "
            f"{how_to_get(path)}."
        )
    load_weights(path)


def test(
    config: str | Path | Config,
    checkpoint: str | Path,
    *,
    work_dir: str | Path | None = None,
    seed: int | None = None,
    launcher: str = "none",
    evaluate: str | Sequence[str] | None = None,
    format_only: bool = False,
    out: str | Path | None = None,
    observations: str | Path | None = None,
    tta: bool = False,
    fuse_conv_bn: bool = False,
    compile: bool = False,
    amp: str | None = None,
    show_dir: str | Path | None = None,
    show_score_thr: float | None = None,
    log: Sequence[str] = (),
    cfg_options: Sequence[str] = (),
    eval_options: Sequence[str] = (),
    trust_config: bool = False,
) -> dict[str, float]:
    """Run the test set of a config through a checkpoint and evaluate it.

    Args:
        config: Config file, or a loaded config.
        checkpoint: Weights to test.
        work_dir: Folder of logs and results; default as for :func:`train`.
        seed: Seed of every random generator; default is the config's.
        launcher: ``none``, ``pytorch`` (torchrun) or ``slurm``.
        evaluate: ``track``, or ``bbox`` and ``segm``: what to evaluate of what the config can;
            see :func:`vovtrack.engine.switches.choose_evaluation`.
        format_only: Write the result files and skip the evaluation.
        out: JSON file for the metrics.
        observations: Folder in which to keep all detections with their embeddings, for
            ``vovtrack replay``.
        tta: Let a detector see each image in several sizes, also mirrored.
        fuse_conv_bn: Fold batch norms into convolutions, see
            :func:`vovtrack.engine.fuse.prepare_for_speed`.
        compile: Compile backbone and neck, see :func:`vovtrack.engine.fuse.compile_features`.
        amp: ``bf16`` or ``fp16`` for mixed precision.
        show_dir: Folder in which to draw the results.
        show_score_thr: Smallest score that is drawn; default is the model's own threshold.
        log: As for :func:`train`.
        cfg_options: ``key=value`` texts, see :mod:`vovtrack.engine.options`.
        eval_options: ``key=value`` texts for the evaluator (``resfile_path=DIR``).
        trust_config: Run a ``.py`` config from outside of the project.

    Returns:
        Metric name -> value; empty with ``format_only``.

    Raises:
        InputError: Unknown config, option or checkpoint, a config that cannot be tested, results
            that another run is writing, or a data worker that died.
    """
    if not Path(checkpoint).is_file():
        raise InputError(f"Checkpoint '{checkpoint}' does not exist.")
    check_checkpoint_file(checkpoint)
    options = [*eval_options, "format_only=True"] if format_only else eval_options
    cfg = load_config(
        config,
        cfg_options=cfg_options,
        eval_options=options,
        work_dir=work_dir,
        trust_config=trust_config,
    )
    if cfg.get("test_dataloader") is None or cfg.get("test_evaluator") is None:
        raise InputError(f"Config '{config}' has no test part (test_dataloader, test_evaluator).")
    if evaluate:
        switches.choose_evaluation(cfg, [evaluate] if isinstance(evaluate, str) else list(evaluate))
    if observations is not None:
        switches.keep_observations(cfg, observations)
    if tta:
        switches.augment_test(cfg)
    if fuse_conv_bn:
        switches.add_hook(cfg, type="FoldNormsHook")
    if compile:
        switches.add_hook(cfg, type="CompileHook")
    if amp is not None:
        switches.add_hook(cfg, type="MixPrecisionHook", amp=amp)
    if show_dir is not None:
        switches.show_results(cfg, show_dir, show_score_thr)
    switches.log_to(cfg, log)
    cfg.load_from = str(checkpoint)
    runner = _build_runner(cfg, launcher, seed, "test")
    # mmengine itself would go on with a checkpoint that fits in part.
    load_checkpoint_into(bare_model(runner.model), checkpoint)
    folders = [e["out_dir"] for e in switches.evaluators(cfg) if e.get("out_dir")]
    with held_folders(folders if is_main_process() else ()), reported_workers("test_dataloader"):
        metrics = runner.test()
    if out is not None and is_main_process():
        with atomic_write(out) as file:
            json.dump(metrics, file, indent=1)
    return metrics


def load_config(
    config: str | Path | Config,
    *,
    cfg_options: Sequence[str] = (),
    eval_options: Sequence[str] = (),
    work_dir: str | Path | None = None,
    trust_config: bool = False,
) -> Config:
    """Load a config, import the parts that it names, apply options and settle its work directory.

    Args:
        config: Config file (a missing one is answered with near matches), or a loaded config.
        cfg_options: See :func:`vovtrack.engine.options.apply_options`.
        eval_options: See :func:`vovtrack.engine.options.apply_options`.
        work_dir: See :func:`train`.
        trust_config: See :func:`vovtrack.engine.configs.read_config`.

    Raises:
        InputError: The file does not exist, must not be run, or an option is not understood.
    """
    compat.install()
    cfg = config
    if not isinstance(cfg, Config):
        cfg = read_config(find_config(cfg), trust_config)
    for notice in apply_options(cfg, cfg_options, eval_options):
        _tell(notice)
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get("work_dir") is None:
        cfg.work_dir = f"work_dirs/{Path(cfg.filename or 'config').stem}"
    return cfg


def _build_runner(
    cfg: Config, launcher: str, seed: int | None, purpose: Literal["train", "test"]
) -> Runner:
    cfg.launcher = launcher
    run = next(_RUNS)
    if run and cfg.get("experiment_name") is None:
        # mmengine tells runs by config and second, and gives equal ones the same log files.
        cfg.experiment_name = f"{Path(cfg.filename or 'config').stem}_{run}"
    if seed is not None:
        cfg.randomness = {**cfg.get("randomness", {}), "seed": seed}
    switches.pin_batches(cfg)
    if launcher != "none":
        _connect_processes(cfg, launcher, purpose)
    with misfits_told(cfg):
        return Runner.from_cfg(cfg)


def _connect_processes(cfg: Config, launcher: str, purpose: Literal["train", "test"]) -> None:
    """Choose how processes talk: NCCL on GPUs (set up by the runner), gloo on a machine without.

    They give each other up after ``env_cfg.process_timeout`` seconds, which differ: a step of
    training is short, while a test waits for one process that evaluates.

    Raises:
        InputError: More processes than GPUs on this machine, or Slurm on a machine without GPU.
    """
    env_cfg: ConfigDict = cfg.setdefault("env_cfg", {})
    dist_cfg = env_cfg.setdefault("dist_cfg", {})
    if purpose in env_cfg.get("process_timeout", {}):
        dist_cfg["timeout"] = env_cfg.process_timeout[purpose]
    if torch.cuda.is_available():
        gpus, processes = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if processes > gpus:
            raise InputError(f"{processes} processes were asked for, this machine has {gpus} GPUs.")
        dist_cfg.setdefault("backend", "nccl")
        return
    if launcher == "slurm":
        raise InputError("The slurm launcher needs GPUs; without, use tools/dist_*.sh.")
    _tell("No CUDA device: the processes share the CPU (gloo).")
    dist_cfg["backend"] = "gloo"
    if cfg.pop("sync_bn", None):
        _tell("On CPUs each process takes its own batch statistics; their mean is saved.")
    cfg.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "device_ids": None,
        "broadcast_buffers": False,
        "find_unused_parameters": cfg.get("find_unused_parameters", False),
    }
    if not torch.distributed.is_initialized():
        limit = dist_cfg.get("timeout")
        torch.distributed.init_process_group(
            "gloo", timeout=None if limit is None else timedelta(seconds=limit)
        )


def _is_first(launcher: str) -> bool:
    """Whether this is the first process of its run; no process group need exist yet."""
    return os.environ.get("SLURM_PROCID" if launcher == "slurm" else "RANK", "0") == "0"


def _tell(notice: str) -> None:
    """Log a notice once, by the first process; no runner and no process group need exist yet."""
    if os.environ.get("RANK", "0") == "0":
        logging.getLogger("vovtrack").warning(notice)
