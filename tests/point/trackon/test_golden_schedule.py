"""The learning rate of every step of the published training."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

import vovtrack.point  # noqa: F401  registers the warm-up
from vovtrack.registry import PARAM_SCHEDULERS


@pytest.fixture(scope="module")
def published(repo_root):
    """The published schedule."""
    return Config.fromfile(repo_root / "configs/_base_/schedules/trackon.py")


def rates(cfg: Config, length: int, epochs: int, base: float) -> list[float]:
    """Learning rates of all steps of a run of another length."""
    share = cfg.warm_up / cfg.max_epochs
    # In the middle of the last step of the warm-up, which no rounding moves.
    warm_up = (int(share * length * epochs) + 0.5) / length
    optimizer = dict(cfg.optim_wrapper.optimizer, lr=base)
    wrapper = build_optim_wrapper(nn.Linear(1, 1), dict(cfg.optim_wrapper, optimizer=optimizer))
    given = dict(optimizer=wrapper, epoch_length=length)
    parts = [
        {key: warm_up if key in ("begin", "end") else value for key, value in dict(part).items()}
        for part in cfg.param_scheduler
    ]
    parts[-1]["end"] = epochs  # as the runner does
    schedulers = [PARAM_SCHEDULERS.build(part, default_args=given) for part in parts]
    found = []
    for _ in range(length * epochs):
        found.append(wrapper.optimizer.param_groups[0]["lr"])
        wrapper.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def test_learning_rates(recorded, published):
    runs = recorded.json("data/lr_schedule.json")
    assert runs
    for run in runs.values():
        found = rates(published, run["iterations_per_epoch"], run["epochs"], run["base_lr"])
        for step, rate in run["lr"].items():
            assert found[int(step)] == pytest.approx(rate, rel=1e-9), step


def test_the_published_optimiser(published):
    wrapper = published.optim_wrapper
    built = build_optim_wrapper(nn.Linear(2, 1), wrapper)
    assert isinstance(built.optimizer, torch.optim.AdamW)
    assert built.optimizer.defaults["weight_decay"] == 1e-5
    assert wrapper.clip_grad.max_norm == 1.0
    assert published.warm_up == pytest.approx(0.01 * published.train_cfg.max_epochs)
