"""Checkpoints that are verified, and runs that continue as if nothing had happened.

mmengine restores weights, optimiser, schedulers, moving averages, loss scaler and the number of
the iteration. What it leaves out is added here: the state of the random generators of every
process, the place inside an epoch, and the batch statistics of processes other than the first.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce_params, get_rank, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vovtrack.errors import InputError
from vovtrack.files.archives import decode_json
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256
from vovtrack.registry import HOOKS, LOOPS

INDEX = "checkpoints.json"
"""Beside the checkpoints: size and SHA-256 of each."""
_KEY = "random_states"


@HOOKS.register_module()
class VerifiedCheckpointHook(CheckpointHook):
    """mmengine's hook, which also records the hash of each file and the random generators.

    Batch statistics that processes took on their own are shared before, see
    :func:`share_statistics`: the first one saves for all.

    Args:
        max_keep_ckpts: How many of the last checkpoints stay, at least two, so that a good one is
            left when the newest turns out damaged; -1 keeps all.
        rule: Whether the best checkpoint (``save_best``) has the ``greater`` or the ``less`` value;
            mmengine knows it only for metrics of its own.
        **kwargs: As of mmengine's ``CheckpointHook``: ``interval``, ``by_epoch``, ``save_best``...

    Raises:
        InputError: ``max_keep_ckpts`` is 0 or 1.
    """

    def __init__(
        self, max_keep_ckpts: int = -1, rule: str | list[str] = "greater", **kwargs: Any
    ) -> None:
        if max_keep_ckpts in (0, 1):
            raise InputError(
                "default_hooks.checkpoint.max_keep_ckpts must be 2 or more (-1 keeps all): the one "
                "before the last is what a run continues from when the last is damaged."
            )
        super().__init__(max_keep_ckpts=max_keep_ckpts, rule=rule, **kwargs)
        self._states: list[dict] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Hand the state of this process to the loop that continues."""
        states = checkpoint.get(_KEY, [])
        loop = runner.train_loop if runner._resume else None
        if isinstance(loop, ResumableEpochLoop):
            if len(states) > get_rank():
                loop.resumed = states[get_rank()]
            elif is_main_process():
                runner.logger.warning(
                    "The checkpoint has no state of the random generators of this many processes; "
                    "the run continues, but not as it would have without the interruption."
                )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the states that all processes sent."""
        checkpoint[_KEY] = self._states

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        share_statistics(runner.model)
        start = getattr(runner.train_loop, "epoch_start", None)
        self._states = all_gather_object({"epoch_start": start, "now": random_state()})
        super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            _record(Path(self.last_ckpt))


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """Epochs that can be continued at any batch, with weights equal to the last bit on a CPU.

    A run that continues draws the batches that are behind it again, without training on them, so
    that sampler, data workers and augmentation stand where they stood. Validation does not touch
    the random generators of training.
    """

    resumed: dict | None = None
    epoch_start: dict | None = None

    def run(self) -> nn.Module:
        """Train, and validate from time to time."""
        self.runner.call_hook("before_train")
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
            if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
                share_statistics(self.runner.model)
                with kept_random_state():
                    self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Train on the batches of one epoch that are not behind the run."""
        done = self._iter - self._epoch * len(self.dataloader)
        resumed, self.resumed = self.resumed, None
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        if resumed is not None:
            set_random_state(resumed["epoch_start"] if done else resumed["now"])
        self.epoch_start = random_state()
        batches = iter(self.dataloader)
        for _ in range(done):
            next(batches)
        if resumed is not None and done:
            set_random_state(resumed["now"])
        for index, batch in enumerate(batches, start=done):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1


def share_statistics(model: nn.Module) -> None:
    """Give all processes the mean of their running batch statistics, in place.

    Where statistics are synchronised (``sync_bn``) or frozen, all have the same and nothing is
    changed. Else every process has its own, and those of the first alone would be validated and
    saved.
    """
    drifting = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        and not isinstance(module, nn.SyncBatchNorm)
        and module.training
        and module.track_running_stats
    ]
    all_reduce_params([s for m in drifting for s in (m.running_mean, m.running_var)], op="mean")


def random_state() -> dict[str, Any]:
    """State of the random generators of this process, as tensors and plain numbers."""
    version, numbers, gauss = random.getstate()
    drawn = np.random.get_state(legacy=False)
    keys, position = drawn["state"]["key"], drawn["state"]["pos"]
    state = {
        "python": [version, torch.tensor(numbers), gauss],
        "numpy": [
            torch.from_numpy(keys.astype(np.int64)),
            position,
            drawn["has_gauss"],
            drawn["gauss"],
        ],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put the random generators into a state that :func:`random_state` returned."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    keys = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave the random generators as they were."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def check_recorded(path: str | Path) -> None:
    """Compare a checkpoint with the hash that was recorded when it was written.

    Raises:
        InputError: The content is another one, or the record cannot be read.
    """
    path = Path(path)
    index = path.parent / INDEX
    if not index.is_file():
        return
    entry = _read_index(index).get(path.name)
    if entry is not None and file_sha256(path) != entry["sha256"]:
        raise InputError(f"{path}: its content is not what was written ({INDEX}): it is damaged.")


def recorded_order(work_dir: str | Path) -> list[str]:
    """Names of the recorded checkpoints of a folder in the order in which they were written.

    Raises:
        InputError: The record cannot be read.
    """
    index = Path(work_dir) / INDEX
    return list(_read_index(index)) if index.is_file() else []


def _read_index(index: Path) -> dict[str, Any]:
    """The hashes of all checkpoints; no input (``read_json``), since the run writes them again."""
    return decode_json(index.read_bytes(), index)


def _record(path: Path) -> None:
    """Write size and hash of a checkpoint beside it, as the newest; forget those that are gone."""
    index = path.parent / INDEX
    entries = _read_index(index) if index.is_file() else {}
    entries.pop(path.name, None)
    entries[path.name] = {"size": path.stat().st_size, "sha256": file_sha256(path)}
    kept = {name: entry for name, entry in entries.items() if (path.parent / name).is_file()}
    with atomic_write(index) as file:
        json.dump(kept, file, indent=1)
