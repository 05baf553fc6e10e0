"""``vovtrack test`` of a tracker of points over TAP-Vid files."""

from __future__ import annotations

import copy
import csv
import json
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel

from tests.places import ROOT
from tests.vovtrack.engine.test_points import moving
from vovtrack.engine.point_test import PointTestLoop
from vovtrack.engine.run import test as run_test
from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.files.hashing import file_sha256
from vovtrack.registry import MODELS

STEP = (2, 1)


@MODELS.register_module()
class Weightless(BaseModel):
    """A model, because a test loads one."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode="tensor"):
        """Never asked."""
        raise NotImplementedError


def video(seed, frames=6, size=128):
    """Points that move with their texture, one of them hidden at first, one never seen."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(30, 80, (4, 2))
    places = starts[:, None] + np.multiply.outer(np.arange(frames), STEP)
    occluded = np.zeros((4, frames), dtype=bool)
    occluded[1, :2] = occluded[3] = True
    pixels = moving(frames, size, STEP, seed)
    return {"video": pixels, "points": places / size, "occluded": occluded}


@pytest.fixture
def config(tmp_path):
    """Two shards, and a config that tests on them."""
    (tmp_path / "data").mkdir()
    for number in range(2):
        shard = [video(2 * number + k) for k in range(2)]
        (tmp_path / f"data/{number:04d}_of_0002.pkl").write_bytes(pickle.dumps(shard))
    torch.save(dict(state_dict=Weightless().state_dict()), tmp_path / "w.pth")
    text = f"""
_base_ = ["{ROOT}/configs/_base_/default_runtime.py", "{ROOT}/configs/_base_/datasets/tapvid.py"]
model = dict(type="Weightless")
online = dict(type="LucasKanadeTracker", max_error=0.5)
test_dataloader = dict(
    num_workers=0, prefetch_factor=None, persistent_workers=False,
    dataset=dict(ann_file="{tmp_path}/data"),
)
test_evaluator = dict(ann_file="{tmp_path}/data", out_dir="{tmp_path}/out")
"""
    (tmp_path / "config.py").write_text(text)
    cfg = Config.fromfile(tmp_path / "config.py")
    cfg.work_dir = str(tmp_path / "work")
    return cfg


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_scores_tables_and_fingerprint(config, tmp_path, mode):
    config.test_dataloader.dataset.mode = mode
    scores = run_test(config, tmp_path / "w.pth", evaluate=["tapvid"])
    assert scores["tapvid/AJ"] > 90 and scores["tapvid/OA"] > 90
    names = [f"{shard:04d}_of_0002/{k:05d}" for shard in range(2) for k in range(2)]
    report = json.loads((tmp_path / "out/tapvid.json").read_text())
    assert list(report["per_video"]) == names
    protocol = report["protocol"]
    assert protocol["mode"] == mode and protocol["videos"] == 4
    made = protocol["tracker"]
    assert made["tracker"] == "LucasKanadeTracker" and made["queries"] == "joint"
    assert made["settings"]["max_error"] == 0.5 and made["source_size"] == [256, 256]
    assert made["checkpoint_sha256"] == file_sha256(tmp_path / "w.pth")
    with open(tmp_path / "out/per_point.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * (3 if mode == "first" else 5)
    assert {row["point"] for row in rows} == {"0", "1", "2"}
    # What is stored is evaluated again to the same numbers, and not as another mode.
    again = evaluate("tapvid", tmp_path / "data", tmp_path / "out/tracks", mode=mode)
    assert again["summary"] == report["summary"]
    other = {"first": "strided", "strided": "first"}[mode]
    with pytest.raises(InputError, match=f"not of mode '{other}'; give --option mode={mode}"):
        evaluate("tapvid", tmp_path / "data", tmp_path / "out/tracks", mode=other)


def test_a_point_table_fits_the_scores_of_its_videos(config, tmp_path):
    run_test(config, tmp_path / "w.pth")
    report = json.loads((tmp_path / "out/tapvid.json").read_text())
    columns = report["per_point"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in report["per_point"]["rows"]]
    for name, scores in report["per_video"].items():
        own = [row for row in rows if row["video"] == name]
        frames = [row["frames"] for row in own]
        accuracy = np.average([row["OA"] for row in own], weights=frames)
        assert accuracy == pytest.approx(scores["OA"])
        seen = [row["visible_frames"] for row in own]
        within = np.average([row["delta_avg"] for row in own], weights=seen)
        assert within == pytest.approx(scores["delta_avg"])


def test_one_query_at_a_time(config, tmp_path):
    joint = run_test(config, tmp_path / "w.pth")
    config.test_cfg.independent = True
    assert run_test(config, tmp_path / "w.pth") == joint
    noted = json.loads((tmp_path / "out/tracks/protocol.json").read_text())
    assert noted["queries"] == "independent"


def test_the_tracker_is_changed_by_an_option(config, tmp_path):
    options = ["online.max_error=0.25", "test_cfg.independent=True"]
    run_test(config, tmp_path / "w.pth", cfg_options=options, format_only=True)
    noted = json.loads((tmp_path / "out/tracks/protocol.json").read_text())
    assert noted["settings"]["max_error"] == 0.25 and noted["queries"] == "independent"


def test_predictions_are_kept_without_an_evaluation(config, tmp_path):
    assert run_test(config, tmp_path / "w.pth", format_only=True) == {}
    assert len(list((tmp_path / "out/tracks").rglob("*.npz"))) == 4
    assert not (tmp_path / "out/tapvid.json").exists()


def test_an_interrupted_test_resumes(config, tmp_path, monkeypatch):
    whole = run_test(config, tmp_path / "w.pth")
    seen = []

    def interrupted(self, video, sample, track=PointTestLoop._track):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(sample.video)
        track(self, video, sample)

    config.test_evaluator.out_dir = str(tmp_path / "killed")
    monkeypatch.setattr(PointTestLoop, "_track", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_test(config, tmp_path / "w.pth")
    assert len(list((tmp_path / "killed/tracks.parts").rglob("*.npz"))) == 3
    assert not (tmp_path / "killed/tracks").exists()
    other = copy.deepcopy(config)
    other.online.max_error = 0.25
    with pytest.raises(InputError, match="unfinished results of another run"):
        run_test(other, tmp_path / "w.pth")
    del seen[1:]
    assert run_test(config, tmp_path / "w.pth") == whole
    assert len(seen) == 2 and not (tmp_path / "killed/tracks.parts").exists()


def test_another_metric_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="--eval track: this config evaluates by PointTrack"):
        run_test(config, tmp_path / "w.pth", evaluate=["track"])
    config.test_dataloader.dataset.mode = "last"
    with pytest.raises(InputError, match="mode is 'last', expected one of first, strided"):
        run_test(config, tmp_path / "w.pth")
