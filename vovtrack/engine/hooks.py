"""Hooks of the runner."""

from __future__ import annotations

import hashlib
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
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


@HOOKS.register_module()
class SameClassesHook(Hook):
    """Sees to it that the labels of the training data are those of the model.

    A label is a place in a list of classes, so that another list silently trains other names.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the classes of the data, if it declares any, with those of the model.

        Raises:
            InputError: They differ; the first class that does.
        """
        model = getattr(runner.model, "module", runner.model)
        data = getattr(runner.train_dataloader.dataset, "metainfo", {}).get("classes")
        vocabulary = getattr(model, "vocabulary", None)
        if data is None or vocabulary is None or tuple(data) == vocabulary.names:
            return
        pairs = enumerate(zip_longest(data, vocabulary.names))
        label, (theirs, ours) = next((k, pair) for k, pair in pairs if pair[0] != pair[1])
        raise InputError(
            f"The training data has {len(data)} classes, the model {len(vocabulary)}, and label "
            f"{label} is {theirs!r} in the data, {ours!r} in the model: set model.vocabulary to "
            "the annotation file of the data, or the vocabulary of train_dataloader's dataset to "
            "that of the model (its classes are then found by name)."
        )


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training whose loss is no number any more; the last checkpoint stays the good one."""

    priority = "VERY_HIGH"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Look at the losses of a step.

        Raises:
            InputError: One is infinite or no number; its name and the images of the batch.
        """
        broken = [
            name
            for name, value in (outputs or {}).items()
            if isinstance(value, torch.Tensor) and not torch.isfinite(value).all()
        ]
        if broken:
            samples = data_batch.get("data_samples", []) if isinstance(data_batch, dict) else []
            paths = [getattr(sample, "img_path", "?") for sample in samples]
            raise InputError(
                f"Epoch {runner.epoch + 1}, step {batch_idx + 1}: {', '.join(broken)} is no finite "
                f"number on {', '.join(paths[:8]) or 'this batch'}. The last checkpoint in "
                f"'{runner.work_dir}' is from before; look at these images, or lower "
                "optim_wrapper.optimizer.lr and train with --resume."
            )


def describe_run(runner: Runner) -> str:
    """Hash of what decides the results: model config, data and weights."""
    digest = hashlib.sha256()
    for part in ("model", "test_dataloader"):
        digest.update(repr(runner.cfg.get(part)).encode())
    checkpoint = Path(runner._load_from or "")
    if checkpoint.is_file():
        digest.update(file_sha256(checkpoint).encode())
    return digest.hexdigest()
