"""Hooks of the runner."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from vovtrack.formats.hashing import file_sha256
from vovtrack.registry import HOOKS


@HOOKS.register_module()
class ContinueTestHook(Hook):
    """Lets a test that was interrupted go on with the videos it has not finished.

    Results of another model, checkpoint or data set are not continued but refused.
    """

    def before_test(self, runner: Runner) -> None:
        """Open the result files and skip the videos that are done."""
        metrics = [m for m in runner.test_evaluator.metrics if hasattr(m, "begin")]
        finished = [metric.begin(describe_run(runner)) for metric in metrics]
        done = [frozenset.intersection(*finished)] if finished else [frozenset()]
        barrier()
        broadcast_object_list(done)
        if done[0]:
            runner.test_dataloader.sampler.skip(done[0])
            if is_main_process():
                runner.logger.info("%d videos are already done and skipped.", len(done[0]))


def describe_run(runner: Runner) -> str:
    """Hash of what decides the results: model config, data and weights."""
    digest = hashlib.sha256()
    for part in ("model", "test_dataloader"):
        digest.update(repr(runner.cfg.get(part)).encode())
    checkpoint = Path(runner._load_from or "")
    if checkpoint.is_file():
        digest.update(file_sha256(checkpoint).encode())
    return digest.hexdigest()
