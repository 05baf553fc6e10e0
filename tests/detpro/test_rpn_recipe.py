"""The recipe of proposals: a network that sees base objects trains, is judged, and proposes."""

from __future__ import annotations

import json

import pytest
import torch

from detpro.features.proposals import extract_proposals
from vovtrack.engine.run import load_config, train
from vovtrack.formats.coco import read_images
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

CONFIG = "configs/lvis/rpn_r101_fpn_base.py"
SMALL = [
    "model.backbone.depth=18",
    "model.backbone.init_cfg=None",
    "model.neck.in_channels=[64,128,256,512]",
]


def test_it_trains_on_base_objects_and_proposes(world, repository, tmp_path):
    images, annotations = world / "lvis/images", world / "lvis/annotations"
    loader = "train_dataloader.dataset"
    train(
        CONFIG,
        work_dir=tmp_path,
        cfg_options=[
            *SMALL,
            f"{loader}.ann_file={annotations / 'train.json'}",
            f"{loader}.data_prefix.img={images}",
            f"{loader}.indices=4",
            f"{loader}.pipeline.2.scale=(128,96)",
            f"val_dataloader.dataset.ann_file={annotations / 'val.json'}",
            f"val_dataloader.dataset.data_prefix.img={images}",
            "val_dataloader.dataset.pipeline.1.scale=(128,96)",
            f"val_evaluator.ann_file={annotations / 'val.json'}",
            *(f"{kind}_dataloader.num_workers=0" for kind in ("train", "val")),
            *(f"{kind}_dataloader.persistent_workers=False" for kind in ("train", "val")),
            "train_cfg.max_epochs=1",
            "default_hooks.logger.interval=1",
        ],
    )
    lines = next(tmp_path.glob("*/vis_data/scalars.json")).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    first = records[0]
    parts = first["loss_rpn_cls"] + first["loss_rpn_bbox"]
    assert first["loss"] == pytest.approx(parts) and first["loss_rpn_bbox"] > 0
    recalls = records[-1]
    assert 0 <= recalls["proposals/novel_AR@1000"] <= 100
    assert recalls["proposals/AR@100"] <= recalls["proposals/AR@1000"]

    model = MODELS.build(load_config(CONFIG, cfg_options=SMALL).model)
    weights = torch.load(tmp_path / "epoch_1.pth", weights_only=False)["state_dict"]
    model.load_state_dict(weights)
    ann_file = annotations / "val.json"
    found = extract_proposals(model, ann_file, images, (128, 96), max_per_image=20, workers=0)
    records = read_images(ann_file, Vocabulary.load(ann_file))
    assert found.image_ids.tolist() == [record["id"] for record in records]
    for record in records:
        boxes, scores = found.of(record["id"])
        assert 0 < len(boxes) <= 20 and (boxes[:, 2:] >= boxes[:, :2]).all()
        assert boxes.min() >= 0 and boxes[:, 2].max() <= record["width"]
        assert (scores[:-1] >= scores[1:]).all()
