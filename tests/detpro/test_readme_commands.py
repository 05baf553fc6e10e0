"""The README's commands of stages 1 and 2, as typed, on a tiny world by options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.places import CLIP, ROOT
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.structures import Vocabulary

VOCABULARY = str(ROOT / "configs/mini/vocabulary.json")
STATE = "model.roi_head.state_attention.text_encoder"
PIPELINE = "train_dataloader.dataset.dataset.pipeline"


def launch(config: str, work_dir: Path, *options: str) -> str:
    """Run the README's training command for one process."""
    command = ["./tools/dist_train.sh", config, "1", "--work-dir", str(work_dir)]
    command += ["--cfg-options", *options]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def options(world, bank, clip, tmp_path_factory) -> list[str]:
    """What the README types, and what makes it small."""
    names = Vocabulary.load(VOCABULARY).names
    prompts = tmp_path_factory.mktemp("p") / "iou_neg5_ens.safetensors"
    save_text_bank(prompts, clip.encode(names), names)
    typed = [f"model.roi_head.prompt_path={prompts}", "model.roi_head.load_feature=True"]
    lvis = world / "lvis"
    small = [
        "vocabulary=" + VOCABULARY,
        "model.backbone.init_cfg=None",
        "model.roi_head.bbox_head.branch.conv_channels=32",
        "model.roi_head.bbox_head.branch.hidden_dims=64",
        "model.roi_head.bbox_head.branch.embed_dims=64",
        "model.roi_head.classifier.embed_dims=64",
        f"data.train.ann_file={lvis / 'annotations/train.json'}",
        f"data.train.img_prefix={lvis / 'images'}",
        f"data.val.ann_file={lvis / 'annotations/val.json'}",
        f"val_dataloader.dataset.data_prefix.img={lvis / 'images'}",
        f"{PIPELINE}.bank={bank}",
        f"{PIPELINE}.scales=[(128,96)]",
        "train_dataloader.dataset.dataset.indices=3",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "train_cfg.max_epochs=1",
        "val_dataloader.dataset.pipeline.1.scale=(128,96)",
        "val_dataloader.num_workers=0",
        "val_dataloader.persistent_workers=False",
        f"val_evaluator.out_dir={tmp_path_factory.mktemp('results')}",
        "model.test_cfg.rpn.max_per_img=60",
        "model.test_cfg.rcnn.max_per_img=10",
        "model.train_cfg.rpn_proposal.max_per_img=60",
        "model.train_cfg.rcnn.sampler.num=64",
        "default_hooks.logger.interval=1",
    ]
    return typed + small


def test_both_stages(options, tmp_path):
    stage1, stage2 = tmp_path / "stage1", tmp_path / "stage2"
    told = launch("configs/lvis/detpro_ens_20e.py", stage1, *options, "load_from=None")
    assert "Option 'model.roi_head.prompt_path' is now" in told
    records = [
        json.loads(line)
        for path in stage1.glob("*/vis_data/scalars.json")
        for line in path.read_text().splitlines()
    ]
    for name in ("text_cls_loss", "kd_loss", "loss_bbox", "loss_mask", "loss_rpn_cls"):
        assert all(record[name] == record[name] for record in records if "loss" in record), name
    launch(
        "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py", stage2, *options,
        f"load_from={stage1 / 'epoch_1.pth'}", f"{STATE}.model={CLIP['model']}",
        f"{STATE}.pretrained={CLIP['pretrained']}",
    )  # fmt: skip
    before, after = (
        torch.load(folder / "epoch_1.pth", weights_only=False)["state_dict"]
        for folder in (stage1, stage2)
    )
    assert before.keys() == after.keys() and len(after) == 444
    weights = [k for k in after if k.endswith("weight") or k.endswith("bias")]
    moved = {key.split(".")[0] for key in weights if not torch.equal(before[key], after[key])}
    assert moved == {"roi_head"}
