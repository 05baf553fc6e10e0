"""Losses and metrics beside the log files: TensorBoard, Weights & Biases."""

from __future__ import annotations

import importlib.util
import json

import pytest
from mmengine.config import Config

from vovtrack.engine import run as launch
from vovtrack.engine import switches
from vovtrack.errors import InputError


@pytest.mark.slow
def test_losses_reach_both(repository, world, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    installed = [name for name in ("tensorboard", "wandb") if importlib.util.find_spec(name)]
    if not installed:
        pytest.skip("neither tensorboard nor wandb is installed")
    data = "train_dataloader.dataset"
    launch.train(
        "configs/mini/detector.py",
        work_dir=tmp_path,
        log=installed,
        cfg_options=[
            *(f"{data}.data_root={world}/", f"{data}.indices=4", "total_epochs=1"),
            *("train_dataloader.batch_size=2", "train_dataloader.num_workers=0"),
            *("train_dataloader.persistent_workers=False", "log_config.interval=1"),
            *("test_dataloader=None", "test_evaluator=None", "test_cfg=None"),
        ],
    )
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(rows) == 2
    if "tensorboard" in installed:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(scalars.parent))
        events.Reload()
        values = [event.value for event in events.Scalars("loss")]
        assert values == pytest.approx([row["loss"] for row in rows])
    if "wandb" in installed:
        assert list(scalars.parent.glob("wandb/offline-run-*/*.wandb"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--log wandb: .*pip install 'vovtrack\[wandb\]'"):
        switches.log_to(Config({}), ["wandb"])


def test_what_a_config_logs_to_already_is_kept():
    config = Config(dict(visualizer=dict(type="Visualizer", vis_backends=[dict(type="Other")])))
    switches.log_to(config, ["tensorboard", "tensorboard"])
    assert [b["type"] for b in config.visualizer.vis_backends] == ["Other", "TensorboardVisBackend"]
    untouched = Config({})
    switches.log_to(untouched, [])
    assert "visualizer" not in untouched
