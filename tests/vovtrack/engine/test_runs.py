"""Several runs in one process."""

from __future__ import annotations

import shutil
import time

from vovtrack.engine import launch


def test_two_runs_in_one_second_keep_their_logs_apart(repository, tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr("mmengine.runner.runner.time.time", lambda: now)
    options = ["load_from=None", "train_dataloader=None", "train_cfg=None", "optim_wrapper=None"]
    options.append("param_scheduler=None")
    for name in ("first", "second"):
        cfg = launch.load_config(
            "configs/mini/ovtrack.py", cfg_options=options, work_dir=tmp_path / name
        )
        launch._build_runner(cfg, "none", 0)
        written = sorted((tmp_path / name).glob("*/vis_data/config.py"))
        assert len(written) == 1
        shutil.rmtree(tmp_path / name)
