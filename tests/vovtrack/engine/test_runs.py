"""Several runs in one process."""

from __future__ import annotations

import shutil
import time

import pytest

from vovtrack.engine import run as launch
from vovtrack.engine.weights.checkpoint import read_checkpoint


def test_two_runs_in_one_second_keep_their_logs_apart(repository, tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr("mmengine.runner.runner.time.time", lambda: now)
    options = ["load_from=None", "train_dataloader=None", "train_cfg=None", "optim_wrapper=None"]
    options.append("param_scheduler=None")
    for name in ("first", "second"):
        cfg = launch.load_config(
            "configs/mini/ovtrack.py", cfg_options=options, work_dir=tmp_path / name
        )
        launch._build_runner(cfg, "none", 0, "test")
        written = sorted((tmp_path / name).glob("*/vis_data/config.py"))
        assert len(written) == 1
        shutil.rmtree(tmp_path / name)


@pytest.mark.slow
def test_a_named_checkpoint_of_a_run_is_continued_in_an_empty_folder(repository, world, tmp_path):
    data = "train_dataloader.dataset"
    options = [
        f"{data}.data_root={world}/",
        f"{data}.indices=4",
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "test_dataloader=None",
        "test_evaluator=None",
        "test_cfg=None",
    ]
    first, second = tmp_path / "first", tmp_path / "second"
    config = "configs/mini/detector.py"
    launch.train(config, work_dir=first, cfg_options=[*options, "total_epochs=1"])
    checkpoint = first / "epoch_1.pth"
    launch.train(
        config,
        work_dir=second,
        cfg_options=[*options, "total_epochs=2", "resume=True", f"load_from={checkpoint}"],
    )
    assert not (second / "epoch_1.pth").exists(), "the first epoch is behind the run"
    assert read_checkpoint(second / "epoch_2.pth")["meta"]["iter"] == 4
