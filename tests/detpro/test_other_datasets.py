"""Training on open-vocabulary COCO and VOC: what is visible, what is evaluated, a run of each."""

from __future__ import annotations

import json

import pytest
import torch

from vovtrack.engine.run import load_config, train
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.structures import Vocabulary


def relabel(source, target, names: str) -> None:
    """An annotation file of the tiny world as if its objects were of another dataset."""
    vocabulary = Vocabulary.load(names)
    content = json.loads(source.read_text())
    pairs = zip(vocabulary.category_ids, vocabulary.names, strict=True)
    content["categories"] = [dict(id=i, name=name) for i, name in pairs]
    for number, annotation in enumerate(content["annotations"]):
        annotation["category_id"] = vocabulary.category_ids[number * 7 % len(vocabulary)]
    target.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("config", "names", "counts"),
    [("ov_coco_20e", "coco", (48, 17)), ("ov_voc_20e", "voc", (15, 5))],
)
def test_a_run(world, bank, repository, tmp_path, config, names, counts):
    files = {kind: tmp_path / f"{kind}.json" for kind in ("train", "val")}
    for kind, path in files.items():
        relabel(world / f"lvis/annotations/{kind}.json", path, names)
    rows = torch.randn(len(Vocabulary.load(names)), 64, generator=torch.Generator().manual_seed(0))
    save_text_bank(tmp_path / "names.safetensors", rows, Vocabulary.load(names).names)
    path = f"configs/transfer/{config}.py"
    small = [
        "load_from=None",
        f"model.roi_head.classifier.text_bank={tmp_path / 'names.safetensors'}",
        "model.roi_head.classifier.embed_dims=64",
        "model.roi_head.bbox_head.branch.embed_dims=64",
        "model.train_cfg.rpn_proposal.max_per_img=40",
        "model.test_cfg.rpn.max_per_img=40",
        "model.test_cfg.rcnn.score_thr=0.0",
        *(f"{k}_dataloader.dataset.ann_file={file}" for k, file in files.items()),
        *(f"{k}_dataloader.dataset.data_prefix.img={world / 'lvis/images'}" for k in files),
        *(f"{k}_dataloader.num_workers=0" for k in files),
        *(f"{k}_dataloader.persistent_workers=False" for k in files),
        "train_dataloader.dataset.indices=3",
        "val_dataloader.dataset.indices=2",
        f"train_dataloader.dataset.pipeline.1.bank={bank}",
        "val_dataloader.dataset.pipeline.1.scale=(128,96)",
        f"val_evaluator.ann_file={files['val']}",
        f"val_evaluator.out_dir={tmp_path / 'out'}",
        "train_cfg.max_epochs=1",
        "train_cfg.val_interval=1",
        "default_hooks.logger.interval=1",
    ]
    scales = "scale=(128,96)" if names == "voc" else "scales=[(128,96)]"
    cfg = load_config(path, cfg_options=[*small, f"train_dataloader.dataset.pipeline.3.{scales}"])
    vocabulary = Vocabulary.load(cfg.model.vocabulary)
    assert (int((~vocabulary.novel).sum()), int(vocabulary.novel.sum())) == counts
    train(cfg, work_dir=tmp_path / "run")
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"text_cls_loss", "kd_loss", "loss_bbox"} <= set(records[0])
    assert ("loss_mask" in records[0]) == (names == "coco")
    groups = {key for key in records[-1] if key.startswith("coco/")}
    assert {"coco/bbox_AP", "coco/bbox_AP75", "coco/bbox_base_AP50"} <= groups
    assert {"coco/bbox_novel_AP50"} <= groups
    found = json.loads((tmp_path / "out/bbox.json").read_text())
    assert {row["category_id"] for row in found} <= set(vocabulary.category_ids)
