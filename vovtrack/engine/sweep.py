"""Testing all checkpoints of a training, to see which epoch is the best."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from vovtrack.engine import run as launch
from vovtrack.engine.finished import read_finished, write_finished
from vovtrack.engine.switches import evaluators
from vovtrack.engine.weights.checkpoint import saved_checkpoints
from vovtrack.errors import InputError
from vovtrack.evaluation.reports.csv_tables import write_rows
from vovtrack.evaluation.reports.tables import run_rows
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

TABLE = "checkpoints.csv"
DECIDING = ("evaluate", "format_only", "tta", "fuse_conv_bn", "compile", "amp", "seed")
"""Switches that change results."""


def test_checkpoints(
    config: str | Path | Config,
    folder: str | Path,
    *,
    out: str | Path | None = None,
    observations: str | Path | None = None,
    cfg_options: Sequence[str] = (),
    eval_options: Sequence[str] = (),
    trust_config: bool = False,
    **switches: Any,
) -> tuple[list[str], list[list[str]]]:
    """Test each ``epoch_N.pth`` and ``iter_N.pth`` of a folder, those that are done excepted.

    Args:
        config: Config file, or a loaded config.
        folder: Work directory of the training.
        out: JSON file for the metrics by checkpoint.
        observations: Gets the observations of each checkpoint, in a folder of its name.
        cfg_options: See :func:`vovtrack.engine.run.test`.
        eval_options: See :func:`vovtrack.engine.run.test`. Results of a checkpoint go to the
            folder of its name in ``out_dir``, where also the table stands.
        trust_config: See :func:`vovtrack.engine.run.test`.
        **switches: Of :func:`vovtrack.engine.run.test`.

    Returns:
        Header and rows of a table, a row for each checkpoint and group of classes.

    Raises:
        InputError: No checkpoints, or what :func:`vovtrack.engine.run.test` refuses.
    """
    checkpoints = saved_checkpoints(folder)
    if not checkpoints:
        raise InputError(f"'{folder}' holds no checkpoint (epoch_N.pth, iter_N.pth).")
    cfg = launch.load_config(
        config, cfg_options=cfg_options, eval_options=eval_options, trust_config=trust_config
    )
    base = Path(next((e["out_dir"] for e in evaluators(cfg) if "out_dir" in e), "results"))
    found: dict[str, dict[str, float]] = {}
    for path in checkpoints:
        own = copy.deepcopy(cfg)
        for evaluator in evaluators(own):
            evaluator["out_dir"] = str(base / path.stem)
        run = _describe(own, path, switches)
        metrics = read_finished(base / path.stem, run)
        if metrics is None:
            kept = observations and Path(observations) / path.stem
            metrics = launch.test(own, path, observations=kept, **switches)
            if is_main_process():
                write_finished(base / path.stem, run, metrics)
        found[path.stem] = metrics
    header, rows = run_rows(["checkpoint"], {(name,): found[name] for name in found})
    if is_main_process():
        write_rows(base / TABLE, header, rows)
        if out is not None:
            with atomic_write(out) as file:
                json.dump(found, file, indent=1)
    return header, rows


def _describe(cfg: Config, checkpoint: Path, switches: Mapping[str, Any]) -> str:
    """All that decides the results of a test."""
    parts = {name: cfg.get(name) for name in ("model", "test_dataloader", "test_evaluator")}
    chosen = {name: switches.get(name) for name in DECIDING}
    return json.dumps(
        dict(parts, **chosen, checkpoint=file_sha256(checkpoint)), sort_keys=True, default=str
    )
