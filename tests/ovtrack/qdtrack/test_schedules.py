"""Learning rates, weight decay and the moment at which strong augmentation ends."""

from __future__ import annotations

from math import cos, pi
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from ovtrack.hooks import StopMixingHook
from vovtrack.errors import InputError


class Parts(nn.Module):
    """Layers of a detector and of an embedding head."""

    def __init__(self) -> None:
        super().__init__()
        for part in ("detector", "track_head"):
            layers = dict(conv=nn.Conv2d(1, 1, 1), norm=nn.GroupNorm(1, 1))
            setattr(self, part, nn.ModuleDict(layers))


@pytest.fixture
def schedule(repo_root):
    """A schedule by name, and its optimizer."""

    def load(name: str) -> tuple[Config, OptimWrapper]:
        cfg = Config.fromfile(repo_root / f"configs/_base_/schedules/{name}.py")
        return cfg, build_optim_wrapper(Parts(), cfg.optim_wrapper)

    return load


def rates(cfg: Config, optimizer: OptimWrapper, length: int, epochs: int) -> list[float]:
    """Learning rate of each step, where an epoch has ``length`` steps."""
    given = dict(optimizer=optimizer, epoch_length=length)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(part), default_args=given) for part in cfg.param_scheduler
    ]
    found = []
    for step in range(length * epochs):
        found.append(optimizer.optimizer.param_groups[0]["lr"])
        optimizer.optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % length == 0:
                scheduler.step()
    return found


def test_faster_rcnn_warms_up_and_steps_down(schedule):
    cfg, optimizer = schedule("qdtrack_1x")
    length = 200
    lr = rates(cfg, optimizer, length, cfg.train_cfg.max_epochs)
    assert lr[0] == pytest.approx(0.002)
    assert lr[500] == pytest.approx(0.011)
    assert lr[1000] == pytest.approx(0.02)
    assert lr[8 * length - 1] == pytest.approx(0.02)
    assert lr[8 * length] == pytest.approx(0.002)
    assert lr[11 * length] == pytest.approx(0.0002)
    assert cfg.optim_wrapper.clip_grad.max_norm == 35


def test_yolox_follows_the_first_half_of_fifty_epochs(schedule):
    cfg, optimizer = schedule("qdtrack_yolox")
    length = 20
    lr = rates(cfg, optimizer, length, 50)
    assert cfg.train_cfg.max_epochs == 25
    for step in range(length):
        assert lr[step] == pytest.approx(1e-3 * ((step + 1) / length) ** 2)
    middle = 0.05e-3 + 0.95e-3 * (1 + cos(24 * pi / 39)) / 2
    assert middle == pytest.approx(3.566e-4, rel=1e-3)
    assert lr[25 * length] == pytest.approx(middle)
    assert lr[40 * length :] == pytest.approx([0.05e-3] * (10 * length), rel=1e-3)


def test_only_norms_and_biases_of_the_detector_of_yolox_do_not_decay(schedule):
    _, optimizer = schedule("qdtrack_yolox")
    names = [name for name, _ in Parts().named_parameters()]
    groups = optimizer.optimizer.param_groups
    decays = {name: group["weight_decay"] for name, group in zip(names, groups, strict=True)}
    for name, found in decays.items():
        free = name.startswith("detector") and name != "detector.conv.weight"
        assert found == (0 if free else 5e-4), name


@pytest.mark.parametrize(("epoch", "mixes"), [(8, True), (9, False), (11, False)])
def test_mixing_ends_with_an_epoch_also_for_a_run_that_continues(epoch, mixes):
    state = []
    dataset = SimpleNamespace(stop_mixing=lambda: state.append("stopped"))
    head = SimpleNamespace(use_l1=False)
    runner = SimpleNamespace(
        epoch=epoch,
        train_dataloader=SimpleNamespace(dataset=dataset),
        model=SimpleNamespace(detector=SimpleNamespace(bbox_head=head)),
        logger=MMLogger.get_instance("test"),
    )
    StopMixingHook(epoch=9, l1=True).before_train_epoch(runner)
    assert (state == []) == mixes
    assert head.use_l1 != mixes


def test_data_that_mixes_nothing_is_refused():
    runner = SimpleNamespace(epoch=9, train_dataloader=SimpleNamespace(dataset=torch.zeros(1)))
    with pytest.raises(InputError, match="Tensor, mixes no views; leave the hook out"):
        StopMixingHook(epoch=9).before_train_epoch(runner)
