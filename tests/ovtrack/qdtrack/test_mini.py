"""QDTrack by its commands: train, test and track, on a few rendered videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.places import ROOT
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config

CONFIG = "configs/mini/qdtrack.py"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Four videos in the form of BDD100K, two of them held out."""
    out = tmp_path_factory.mktemp("videos") / "bdd100k"
    size = ["--frames", "4", "--width", "96", "--height", "64"]
    counts = ["--videos", "4", "--held-out", "2", "--workers", "1"]
    assert main(["synth", "--format", "bdd100k", *counts, *size, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def options(videos) -> list[str]:
    loader = ["num_workers=0", "persistent_workers=False", f"dataset.data_root={videos}"]
    return [
        *(f"{kind}_dataloader.{option}" for kind in ("train", "test") for option in loader),
        "train_dataloader.batch_size=2",
        f"test_evaluator.ann_file={videos}/labels/box_track_20/val",
        "model.detector.train_cfg.rpn_proposal.max_per_img=20",
        "default_hooks.logger.interval=1",
        "train_cfg.max_epochs=1",
    ]


@pytest.fixture(scope="module")
def trained(options, tmp_path_factory) -> Path:
    """Work directory of an epoch of four steps."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["train", CONFIG, "--work-dir", str(out), "--cfg-options", *options]) == 0
    return out


def test_detector_and_embedding_learn_together(trained):
    (scalars,) = trained.glob("*/vis_data/scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(steps) == 4
    for step in steps:
        assert {"loss_rpn_cls", "loss_cls", "loss_bbox", "loss_track", "loss_track_aux"} <= {*step}
    assert any(step["positive_pairs"] for step in steps)


def test_the_test_writes_tracks_and_scores(trained, options, tmp_path, repository):
    out = tmp_path / "metrics.json"
    assert main(
        ["test", CONFIG, str(trained / "epoch_1.pth"), "--work-dir", str(tmp_path), "--out"]
        + [str(out), "--cfg-options", *options, f"test_evaluator.out_dir={tmp_path}/tracks"]
    ) == 0  # fmt: skip
    metrics = json.loads(out.read_text())
    assert {name.rpartition("/")[2] for name in metrics} >= {"mMOTA", "mIDF1"}


def test_a_video_is_tracked(trained, videos, tmp_path, repository):
    (first, *_) = sorted((videos / "images/track/val").iterdir())
    words = ["track", str(first), "--config", CONFIG, "--checkpoint", str(trained / "epoch_1.pth")]
    found = tmp_path / "tracks.json"
    assert main([*words, "--json", str(found), "--score-thr", "0"]) == 0
    names = {*load_config(CONFIG).classes}
    frames = json.loads(found.read_text())["frames"]
    assert [frame["frame_id"] for frame in frames] == [0, 1, 2, 3]
    assert {track["class"] for frame in frames for track in frame["tracks"]} <= names


def test_a_model_of_fixed_classes_follows_no_others(trained, videos, capsys, repository):
    (first, *_) = sorted((videos / "images/track/val").iterdir())
    words = ["track", str(first), "--config", CONFIG, "--checkpoint", str(trained / "epoch_1.pth")]
    assert main([*words, "--json", str(videos / "none.json"), "--classes", "zebra"]) != 0
    told = capsys.readouterr().err
    assert "trained on the classes pedestrian, rider" in told and "(zebra)" in told
