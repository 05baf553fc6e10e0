"""Track-On over TAP-Vid's files, as ``vovtrack test`` and the launch script run it."""

from __future__ import annotations

import json

import pytest
import torch

from tests.places import ROOT
from tests.test_launchers import launch
from vovtrack.engine.run import load_config
from vovtrack.engine.run import test as run_test
from vovtrack.formats.tapvid_videos import open_videos
from vovtrack.registry import MODELS

CONFIG = ROOT / "configs/trackon/mini_tapvid.py"
WORKERS = ("num_workers=0", "prefetch_factor=None", "persistent_workers=False")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mini.pth"
    model = MODELS.build(load_config(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def options(data, out) -> list[str]:
    return [
        f"test_dataloader.dataset.ann_file={data}",
        f"test_evaluator.ann_file={data}",
        f"test_evaluator.out_dir={out}",
        *(f"test_dataloader.{setting}" for setting in WORKERS),
    ]


@pytest.mark.golden
@pytest.mark.parametrize("dataset", ["tapvid_kinetics", "robotap"])
def test_shards_are_tracked_video_by_video(recorded, checkpoint, tmp_path, dataset):
    data, out = recorded.path(f"data/{dataset}"), tmp_path / "out"
    config = load_config(CONFIG, cfg_options=options(data, out), work_dir=tmp_path / "w")
    config.model.test_cfg.memory = 9
    scores = run_test(config, checkpoint)
    assert scores.keys() == {"tapvid/AJ", "tapvid/delta_avg", "tapvid/OA"}
    report = json.loads((out / "tapvid.json").read_text())
    assert list(report["per_video"]) == [video.name for video in open_videos(data)]
    model = config.model
    assert report["protocol"]["tracker"]["settings"] == dict(
        input_size=list(model.input_size),
        memory=[9, 9],
        visibility_threshold=model.test_cfg.visibility_threshold,
        support_grid=model.test_cfg.support_grid,
    )


@pytest.mark.golden
def test_track_on2_is_tested_by_the_same_command(recorded, tmp_path):
    data, out = recorded.path("data/robotap"), tmp_path / "out"
    config = load_config(CONFIG, cfg_options=options(data, out), work_dir=tmp_path / "w")
    config.model = load_config(ROOT / "configs/trackon/mini2.py").model
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), tmp_path / "mini2.pth")
    scores = run_test(config, tmp_path / "mini2.pth")
    assert scores.keys() == {"tapvid/AJ", "tapvid/delta_avg", "tapvid/OA"}
    settings = json.loads((out / "tapvid.json").read_text())["protocol"]["tracker"]["settings"]
    assert settings["memory"] == [config.model.slots, 0]


@pytest.mark.golden
def test_two_processes_give_what_one_gives(recorded, checkpoint, tmp_path):
    data = recorded.path("data/tapvid_kinetics")
    one = run_test(
        CONFIG, checkpoint, work_dir=tmp_path / "w", cfg_options=options(data, tmp_path / "one")
    )
    words = ["--eval", "tapvid", "--out", tmp_path / "two.json", "--work-dir", tmp_path / "v"]
    settings = ["--cfg-options", *options(data, tmp_path / "two")]
    launch("dist_test_new.sh", CONFIG, checkpoint, 2, *words, *settings)
    assert json.loads((tmp_path / "two.json").read_text()) == one
    reports = [json.loads((tmp_path / name / "tapvid.json").read_text()) for name in ("one", "two")]
    assert reports[0]["per_point"] == reports[1]["per_point"]
