"""Hooks of the runner."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
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
    """Lets a test that was interrupted resume with the videos it has not finished.

    Results of another model, checkpoint or dataset are not continued but refused. Validation
    during training always starts again, since its weights change.
    """

    def before_test(self, runner: Runner) -> None:
        """Open the result files and skip the videos that are done."""
        metrics = [m for m in runner.test_evaluator.metrics if hasattr(m, "begin")]
        finished = [metric.begin(describe_run(runner)) for metric in metrics]
        done = [frozenset.intersection(*finished)] if finished else [frozenset()]
        barrier()
        broadcast_object_list(done)
        if done[0]:
            runner.test_dataloader.batch_sampler.sampler.skip(done[0])
            if is_main_process():
                runner.logger.info("%d videos are already done and skipped.", len(done[0]))

    def before_val(self, runner: Runner) -> None:
        """Forget what an interrupted validation left, and open the result files."""
        metrics = [m for m in runner.val_evaluator.metrics if hasattr(m, "begin")]
        if is_main_process():
            for metric in metrics:
                metric.forget()
        barrier()
        for metric in metrics:
            metric.begin(f"validation after step {runner.iter}")


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
    """Stops a training whose loss is not finite any more; the last checkpoint stays the good one.

    A loss in float16 may overflow once: where the optimizer has a loss scaler, that skips the
    step, and only when it has to again and again the training ends. All that a step logs comes
    from its device in one transfer, and the hooks that follow find plain numbers.

    Args:
        max_skipped: Steps in a row that a loss scaler may skip.
    """

    priority = "HIGHEST"

    def __init__(self, max_skipped: int = 10) -> None:
        self.max_skipped = max_skipped
        self._skipped = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Look at the losses of a step; of a skipped one, none is logged.

        Raises:
            InputError: One is infinite or no number; its name and the images of the batch.
        """
        outputs = {} if outputs is None else outputs
        outputs.update(to_numbers(outputs))
        broken = [name for name, value in outputs.items() if not math.isfinite(value)]
        if not broken:
            self._skipped = 0
            return
        self._skipped += 1
        samples = data_batch.get("data_samples", []) if isinstance(data_batch, dict) else []
        paths = [getattr(sample, "img_path", "?") for sample in samples]
        found = (
            f"Epoch {runner.epoch + 1}, step {batch_idx + 1}: {', '.join(broken)} is not a finite "
            f"number on {', '.join(paths[:8]) or 'this batch'}."
        )
        scaled = getattr(runner.optim_wrapper, "loss_scaler", None) is not None
        if scaled and self._skipped <= self.max_skipped:
            runner.logger.warning("%s The loss scaler skips the step.", found)
            outputs.clear()
            return
        again = f" It is the step number {self._skipped} in a row." if scaled else ""
        raise InputError(
            f"{found}{again} The last checkpoint in '{runner.work_dir}' is from before; look at "
            "these images, or lower optim_wrapper.optimizer.lr and train with --resume."
        )


@HOOKS.register_module()
class StarvationHook(Hook):
    """Speaks up when a training has nothing to learn from: a loss of 0 looks like success.

    Args:
        key: What the model logs of a step, 0 if there was nothing to learn from.
        advice: What to do about it, a sentence.
        patience: Steps without anything, in a row, after which to warn, each time.
    """

    priority = "LOW"

    def __init__(self, key: str, advice: str, patience: int = 50) -> None:
        self.key = key
        self.advice = advice
        self.patience = patience
        self._steps = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Count the steps without anything."""
        self._steps = self._steps + 1 if (outputs or {}).get(self.key) == 0 else 0
        if self._steps and self._steps % self.patience == 0:
            runner.logger.warning(
                "The last %d steps had nothing to learn from (%s: 0). %s",
                self._steps,
                self.key,
                self.advice,
            )

    def after_train_epoch(self, runner: Runner) -> None:
        """End a training that had nothing at all.

        Raises:
            InputError: No step of the epoch had anything to learn from.
        """
        if self._steps >= len(runner.train_dataloader):
            raise InputError(
                f"Epoch {runner.epoch + 1}: no step had anything to learn from ({self.key}: 0). "
                f"{self.advice}"
            )


def to_numbers(values: dict[str, Any]) -> dict[str, float]:
    """Those of ``values`` that are tensors of one element, fetched at once from each device."""
    by_device: dict[torch.device, list[str]] = defaultdict(list)
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            by_device[value.device].append(name)
    return {
        name: number
        for names in by_device.values()
        for name, number in zip(
            names, torch.stack([values[n].detach().float() for n in names]).tolist(), strict=True
        )
    }


def describe_run(runner: Runner) -> str:
    """Hash of what decides the results: model, data, way of testing and weights."""
    digest = hashlib.sha256()
    for part in ("model", "test_dataloader", "test_cfg", "online"):
        digest.update(repr(runner.cfg.get(part)).encode())
    checkpoint = Path(runner._load_from or "")
    if checkpoint.is_file():
        digest.update(file_sha256(checkpoint).encode())
    return digest.hexdigest()
