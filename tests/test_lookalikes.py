"""The comparison of KeepTrack with the DiMP that it is built on."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from tests.places import ROOT
from tools.benchmarks.box_learning import lookalikes
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS


def test_the_worst_seed_is_judged():
    def scores(*values):
        return [{"AO": value, "SR50": 0.0, "lost": 0.0} for value in values]

    rows = {lookalikes.WITHOUT: scores(40.0, 50.0), lookalikes.WITH: scores(52.0, 55.5)}
    assert lookalikes.bar(rows).endswith("+5.5, asked for +5: met")
    rows[lookalikes.WITH] = scores(44.0, 70.0)
    assert lookalikes.bar(rows).endswith("+4.0, asked for +5: MISSED")


def test_one_command_trains_and_compares(tmp_path):
    """On two videos, of a DiMP that has learned nothing."""
    torch.manual_seed(0)
    trained = tmp_path / "trained/seed0"
    trained.mkdir(parents=True)
    dimp = MODELS.build(load_config(ROOT / lookalikes.DIMP).model)
    torch.save(dict(state_dict=dimp.state_dict()), trained / "epoch_1.pth")
    small = ["batch_size=2", "num_workers=0", "persistent_workers=False", "dataset.samples=2"]
    small += ["dataset.views=1", "dataset.frames={'H':1,'K':1,'J':1,'G':1}"]
    command = [
        *(sys.executable, "-m", "tools.benchmarks.box_learning.lookalikes"),
        *("--trained", trained.parent, "--out", tmp_path / "out", "--seeds", "0"),
        *("--videos", "2", "--test-videos", "1", "--cfg-options", "train_cfg.max_epochs=1"),
        *(f"train_dataloader.{option}" for option in small),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    table = (tmp_path / "out/table.md").read_text()
    assert "| DiMP |" in table and "| KeepTrack |" in table and "over the same DiMP" in table
