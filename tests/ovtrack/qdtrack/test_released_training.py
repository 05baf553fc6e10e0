"""The released training of YOLOX by its command, on a narrow network and a few rendered videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.places import ROOT
from vovtrack.cli.main import main
from vovtrack.files.checkpoints import load_checkpoint_file

CONFIG = "configs/qdtrack/qdtrack_yolox_x_50e_bdd100k.py"
DATA = "train_dataloader.dataset"
STILLS, TRACKS = (f"{DATA}.dataset.datasets.{number}" for number in (0, 1))
NARROW = (
    "model.detector.backbone.deepen_factor=0.33",
    "model.detector.backbone.widen_factor=0.125",
    "model.detector.neck.in_channels=[32,64,128]",
    "model.detector.neck.out_channels=32",
    "model.detector.neck.num_csp_blocks=1",
    "model.detector.bbox_head.in_channels=32",
    "model.detector.bbox_head.feat_channels=32",
    "model.detector.roi_extractor.out_channels=32",
    "model.track_head.in_channels=32",
    "model.track_head.conv_out_channels=32",
    "model.track_head.fc_out_channels=32",
)
SMALL = (
    "train_dataloader.batch_size=2",
    f"{DATA}.mix.steps.mosaic.img_scale=(96,64)",
    f"{DATA}.mix.steps.affine.border=(-48,-32)",
    f"{DATA}.pipeline.resize.scale=(96,64)",
    f"{DATA}.pipeline.crop.crop_size=(96,64)",
    "test_dataloader.dataset.pipeline.1.scale=(96,64)",
    *(
        f"{loader}_dataloader.{option}"
        for loader in ("train", "test")
        for option in ("num_workers=0", "persistent_workers=False")
    ),
)


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """The config on a narrow network; the frames of videos serve as stills, too."""
    out = tmp_path_factory.mktemp("videos") / "bdd100k"
    size = ["--frames", "3", "--width", "96", "--height", "64"]
    counts = ["--videos", "3", "--held-out", "1", "--workers", "1"]
    assert main(["synth", "--format", "bdd100k", *counts, *size, "--out", str(out)]) == 0
    return [
        *NARROW,
        *SMALL,
        *(f"{part}.data_root={out}" for part in (STILLS, TRACKS, "test_dataloader.dataset")),
        f"{STILLS}.ann_file=labels/box_track_20/train",
        f"{STILLS}.data_prefix.img=images/track/train",
        f"test_evaluator.ann_file={out}/labels/box_track_20/val",
        "load_from=None",
        "train_cfg.max_epochs=2",
        "train_cfg.val_begin=9",
        "default_hooks.checkpoint.interval=1",
        "default_hooks.logger.interval=1",
        "default_hooks.stop_mixing.epoch=1",
    ]


@pytest.fixture(scope="module")
def trained(options, tmp_path_factory) -> Path:
    """Work directory of two epochs, the second without mixing."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        words = ["train", CONFIG, "--work-dir", str(out), "--amp", "bf16"]
        assert main([*words, "--cfg-options", *options]) == 0
    return out


def test_the_second_epoch_learns_the_sides_of_boxes(trained):
    (scalars,) = trained.glob("*/vis_data/scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(steps) == 12
    assert [step["epoch"] for step in steps if "loss_l1" in step] == [2] * 6
    assert all({"loss_obj", "loss_track", "loss_track_aux"} <= {*step} for step in steps)


def test_checkpoints_hold_averaged_weights(trained):
    content = load_checkpoint_file(trained / "epoch_2.pth")
    # The hook of the average swaps the two: the weights that train lie beside it.
    key = "track_head.fc_embed.weight"
    average, last = content["state_dict"][key], content["ema_state_dict"][f"module.{key}"]
    assert not torch.equal(average, last)
    assert torch.allclose(average, last, atol=1e-3)


def test_the_averaged_weights_are_tested(trained, options, tmp_path, repository):
    words = ["test", CONFIG, str(trained / "epoch_2.pth"), "--work-dir", str(tmp_path)]
    written = f"test_evaluator.out_dir={tmp_path}/results"
    assert main([*words, "--cfg-options", *options, written]) == 0
    assert list((tmp_path / "results").rglob("*.json"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in float16")
def test_without_a_gpu_another_precision_must_be_named(options, tmp_path, capsys, repository):
    assert main(["train", CONFIG, "--work-dir", str(tmp_path), "--cfg-options", *options]) != 0
    assert "fp16 needs a GPU; on a CPU give --amp bf16" in capsys.readouterr().err
