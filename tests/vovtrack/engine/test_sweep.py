"""All checkpoints of a training, tested by one command."""

from __future__ import annotations

import csv
import inspect
import json
import shutil

import pytest
import torch

from vovtrack.cli.main import main
from vovtrack.engine import run
from vovtrack.engine.sweep import DECIDING
from vovtrack.engine.weights.checkpoint import load_weights, saved_checkpoints

CONFIG = "configs/mini/ovtrack.py"
MINI = "saved_models/mini/ovtrack_mini.safetensors"


@pytest.mark.slow
def test_every_epoch_is_tested_once(world, repository, tmp_path, capsys):
    weights = load_weights(MINI)
    training, results, out = tmp_path / "training", tmp_path / "results", tmp_path / "all.json"
    training.mkdir()
    head = next(name for name in weights if name.startswith("track_head") and "weight" in name)
    for epoch in (2, 10):
        torch.save(dict(state_dict=weights), training / f"epoch_{epoch}.pth")
        weights = {**weights, head: torch.zeros_like(weights[head])}
    (training / "last_checkpoint").write_text(str(training / "epoch_10.pth"))
    words = [
        *("test", CONFIG, str(training), "--out", str(out), "--work-dir", str(tmp_path / "w")),
        *("--eval-options", f"resfile_path={results}"),
        *("--observations", str(tmp_path / "kept"), "--cfg-options"),
        f"test_dataloader.dataset.data_root={world}",
        f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
        *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
    ]
    assert main(words) == 0
    rows = list(csv.reader((results / "checkpoints.csv").open()))
    assert rows[0][:2] == ["checkpoint", "classes"]
    tested = [row[0] for row in rows if row[1] == "all"]
    assert tested == ["epoch_2", "epoch_10"]
    metrics = json.loads(out.read_text())
    assert metrics["epoch_2"] != metrics["epoch_10"], "without appearance other tracks"
    assert (results / "epoch_10/tao_track.json").is_file()
    assert (tmp_path / "kept/epoch_2/observations.json").is_file()
    assert "epoch_10" in capsys.readouterr().out

    written = (results / "epoch_2/tao-ov.json").stat().st_mtime_ns
    shutil.rmtree(results / "epoch_10")
    assert main(words) == 0
    assert (results / "epoch_2/tao-ov.json").stat().st_mtime_ns == written
    assert json.loads(out.read_text()) == metrics


def test_checkpoints_are_in_order_and_nothing_else(tmp_path, repository, capsys):
    for name in ("epoch_2.pth", "epoch_10.pth", "epoch_1.pth", "best_AP_epoch_1.pth", "a_b.pth"):
        (tmp_path / name).touch()
    assert [p.stem for p in saved_checkpoints(tmp_path)] == ["epoch_1", "epoch_2", "epoch_10"]
    (tmp_path / "empty").mkdir()
    assert main(["test", CONFIG, str(tmp_path / "empty")]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_each_switch_decides_results_or_is_known_not_to():
    """With another deciding switch, a checkpoint is tested again."""
    named_apart = {"config", "checkpoint", "cfg_options", "eval_options"}
    harmless = {"work_dir", "launcher", "out", "observations", "show_dir", "show_score_thr", "log"}
    switches = set(inspect.signature(run.test).parameters) - named_apart - {"trust_config"}
    assert switches - harmless == set(DECIDING)
