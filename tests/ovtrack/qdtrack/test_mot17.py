"""The training and the test on MOT17 by their commands, on a narrow network and rendered videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.places import ROOT
from vovtrack.cli.main import main

CONFIG = "configs/qdtrack/qdtrack_frcnn_r50_fpn_4e_mot17.py"
DATA = "train_dataloader.dataset"
NARROW = (
    "model.detector.backbone.depth=18",
    "model.detector.backbone.base_channels=8",
    "model.detector.backbone.stem_channels=8",
    "model.detector.neck.in_channels=[8,16,32,64]",
    "model.detector.train_cfg.rpn_proposal.max_per_img=20",
    "model.detector.test_cfg.rpn.max_per_img=20",
    "model.detector.score_thresholds.init=0.1",
    "model.detector.score_thresholds.link=0.05",
    f"{DATA}.mix.steps.resize.scale=(96,96)",
    f"{DATA}.pipeline.crop.crop_size=(96,96)",
    "test_dataloader.dataset.pipeline.1.scale=(96,96)",
)


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """The config on a narrow network, and on two sequences that are halved."""
    out = tmp_path_factory.mktemp("videos") / "mot"
    size = ["--frames", "8", "--width", "96", "--height", "64"]
    assert main(["synth", "--format", "mot", "--videos", "2", *size, "--out", str(out)]) == 0
    loaders = [
        f"{loader}_dataloader.{option}"
        for loader in ("train", "test")
        for option in ("num_workers=0", "persistent_workers=False")
    ]
    sets = [f"{DATA}.dataset", "test_dataloader.dataset"]
    return [
        *NARROW,
        *loaders,
        *(f"{part}.data_root={out}" for part in sets),
        *(f"{part}.reader.names=*" for part in (*sets, "test_evaluator")),
        f"test_evaluator.ann_file={out}/train",
        "load_from=None",
        "train_cfg.max_epochs=1",
        "train_cfg.val_begin=9",
        "default_hooks.logger.interval=1",
        "optim_wrapper.optimizer.lr=0.001",
    ]


@pytest.fixture(scope="module")
def trained(options, tmp_path_factory) -> Path:
    """Work directory of an epoch on the first halves."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["train", CONFIG, "--work-dir", str(out), "--cfg-options", *options]) == 0
    return out


def test_the_first_halves_are_trained_on(trained):
    (scalars,) = trained.glob("*/vis_data/scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(steps) == 5  # frames 1 to 5 of 8, of two sequences, two pairs a step
    assert all({"loss_rpn_cls", "loss_bbox", "loss_track"} <= {*step} for step in steps)


def test_the_second_halves_are_tracked_and_rated(trained, options, tmp_path, repository):
    words = ["test", CONFIG, str(trained / "epoch_1.pth"), "--work-dir", str(tmp_path)]
    written, metrics = tmp_path / "results", tmp_path / "metrics.json"
    assert main(
        [*words, "--out", str(metrics), "--cfg-options", *options]
        + [f"test_evaluator.out_dir={written}"]
    ) == 0  # fmt: skip
    files = sorted(written.rglob("*.txt"))
    rows = [line.split(",") for file in files for line in file.read_text().splitlines()]
    assert len(files) == 2 and rows
    assert {int(row[0]) for row in rows} <= {1, 2, 3}, "frames count from the half's first"
    names = {name.rpartition("/")[2] for name in json.loads(metrics.read_text())}
    assert {"MOTA", "IDF1", "HOTA"} <= names
