"""The README's commands of stages 3 and 4 and of the test run, as typed, on a tiny world."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.places import ROOT
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

VOCABULARY = str(ROOT / "configs/mini/vocabulary.json")
STAGE3 = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"
STAGE4 = (
    "configs/ovtrack-teta/adding_spatial/"
    "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"
)
SMALL_RESIZE = "scales=[(128,96)]"
FEW = (
    "model.test_cfg.rpn.max_per_img=60",
    "model.track_head.conv_out_channels=32",
    "model.track_head.fc_out_channels=64",
)


def launch(script: str, *words: str) -> str:
    """Run one of the README's launch scripts for one process; its output."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    command = [f"tools/{script}", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_switches_of_the_page(repository):
    """Each is an option of both stages; of an image of stage 3 as the page says."""
    rows = (ROOT / "configs/ovtrack-teta/README.md").read_text().split("after `--cfg-options`")[1]
    cells = [row.split("|")[1] for row in rows.split("\n\n")[0].splitlines() if "=" in row]
    switches = [word for cell in cells for word in cell.split("`")[1].split()]
    assert len(switches) == len(cells) + 1 == 5
    for config, transforms in ((STAGE3, ".dataset.load.0."), (STAGE4, ".dataset.pipeline.0.")):
        options = [switch.replace(".dataset.pipeline.0.", transforms) for switch in switches]
        cfg = load_config(config, cfg_options=options)
        data = cfg.train_dataloader.dataset
        assert (data.get("load") or data.pipeline)[0].on_broken == "skip"
        assert (cfg.train_cfg.val_begin, cfg.train_cfg.val_interval) == (6, 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> list[str]:
    """What lets the full-size model speak of the mini classes."""
    clip = ClipEncoder(
        model=str(ROOT / "configs/mini/clip_mini.json"),
        pretrained=str(ROOT / "saved_models/mini/clip_mini.safetensors"),
    )
    names = Vocabulary.load(VOCABULARY).names
    bank = tmp_path_factory.mktemp("b") / "prompts.safetensors"
    save_text_bank(bank, clip.encode(names), names)
    return [
        f"model.vocabulary={VOCABULARY}",
        "model.roi_head.fusion.novel_mask=novel",
        "model.roi_head.bbox_head.branch.conv_channels=32",
        "model.roi_head.bbox_head.branch.hidden_dims=64",
        "model.roi_head.bbox_head.branch.embed_dims=64",
        "model.roi_head.classifier.embed_dims=64",
        f"model.roi_head.classifier.text_bank={bank}",
    ]


@pytest.fixture(scope="module")
def detector(small, tmp_path_factory) -> Path:
    """A checkpoint as stage 2 leaves it, of random weights."""
    cfg = load_config(
        ROOT / "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py",
        cfg_options=[*small[:1], *small[2:], "model.backbone.init_cfg=None",
                     "model.roi_head.state_attention=None"],
    )  # fmt: skip
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("d") / "detpro_stage2_finetune.pth"
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), path)
    return path


def losses(work_dir: Path) -> list[dict]:
    return [
        record
        for path in work_dir.glob("*/vis_data/scalars.json")
        for record in map(json.loads, path.read_text().splitlines())
        if "loss" in record
    ]


def moved(before: Path, after: Path) -> set[str]:
    """Parts whose weights differ."""
    first, second = (
        {name.removeprefix("detector."): value for name, value in content["state_dict"].items()}
        for content in map(load_checkpoint_file, (before, after))
    )
    assert first.keys() & second.keys()
    return {
        name.split(".")[0]
        for name in first.keys() & second.keys()
        if name.endswith(("weight", "bias")) and not torch.equal(first[name], second[name])
    }


@pytest.mark.slow
def test_stages_3_and_4_and_the_test_run(world, small, detector, tmp_path):
    lvis, twins = world / "lvis", tmp_path / "twins"
    assert main(["prepare", "pairs", str(lvis / "annotations/train.json"), str(lvis / "images"),
                 "--out", str(twins), "--min-side", "16", "--min-twin-side", "8",
                 "--workers", "1"]) == 0  # fmt: skip
    stage3, stage4 = tmp_path / "stage3", tmp_path / "stage4"
    mixed = "train_dataloader.dataset"
    pairs = f"{mixed}.dataset.dataset"
    loader = [
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "default_hooks.logger.interval=1",
        *FEW,
    ]
    told = launch(
        "dist_train.sh", STAGE3, "1", "20956", "--work-dir", stage3, "--cfg-options",
        "total_epochs=1", f"load_from={detector}", *small, *loader,
        "train_dataloader.batch_size=3",
        f"{pairs}.ann_file={twins / 'annotations.json'}",
        f"{pairs}.data_prefix.img={lvis / 'images'}",
        f"{pairs}.data_prefix.twins={twins / 'twins'}",
        f"{mixed}.mix.img_scale=(128,96)", f"{mixed}.pipeline.3.{SMALL_RESIZE}",
    )  # fmt: skip
    assert "train_cfg.max_epochs" in told, "total_epochs is translated with a notice"
    records = losses(stage3)
    assert records and all(0 < record["loss_track"] < 100 for record in records)
    assert moved(detector, stage3 / "epoch_1.pth") == set()

    launch(
        "dist_train.sh", STAGE4, "1", "23532", "--work-dir", stage4, "--cfg-options",
        "model.roi_head.spatial_learning_rate=0.1", f"load_from={stage3 / 'epoch_1.pth'}",
        "total_epochs=1", *small, *loader, "optim_wrapper.optimizer.lr=0.01",
        "param_scheduler.0.end=1",
        f"train_dataloader.dataset.data_root={world / 'raw'}",
        "train_dataloader.dataset.folders=[MiniWorld]",
        f"train_dataloader.dataset.pipeline.4.{SMALL_RESIZE}",
    )  # fmt: skip
    records = losses(stage4)
    assert records and all("loss_spatial" in r and r["loss"] == r["loss"] for r in records)
    final = stage4 / "epoch_1.pth"
    assert moved(stage3 / "epoch_1.pth", final) <= {"track_head"}
    assert len(load_checkpoint_file(final)["state_dict"]) == 448

    results = tmp_path / "results"
    tao = world / "tao"
    launch(
        "dist_test_new.sh", STAGE4, final, "1", "36141", "--eval", "track",
        "--eval-options", f"resfile_path={results}", "--cfg-options",
        "model.tracker.match_score_thr=0.33", "model.test_cfg.rcnn.max_per_img=110",
        "model.roi_head.only_validation_categories=True", "model.tracker.memo_frames=30",
        "model.tracker.momentum_embed=0.4", *FEW, *small[1:], f"model.vocabulary={VOCABULARY}",
        f"test_evaluator.vocabulary={VOCABULARY}",
        f"test_evaluator.ann_file={tao / 'annotations/validation.json'}",
        f"test_dataloader.dataset.data_root={tao}",
        "test_dataloader.dataset.ann_file=annotations/validation.json",
        "test_dataloader.dataset.pipeline.1.scale=(128,96)", "test_dataloader.num_workers=0",
        "test_dataloader.persistent_workers=False",
    )  # fmt: skip
    report = json.loads((results / "tao-ov.json").read_text())
    assert report["summary"]["all"]["TETA"] >= 0
    assert (results / "tao_track.json").is_file()
