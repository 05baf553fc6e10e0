"""The config of TAO track AP evaluates what it says: all classes, the AP of tracks."""

from __future__ import annotations

import json

import pytest
import torch

from vovtrack.engine.run import load_config
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary
from vovtrack.synthetic.boxes_only import BoxStatistics, write_boxes


def test_all_classes_and_the_ap_of_tracks(repository, tmp_path):
    cfg = load_config("configs/ovtrack-tao/ovtrack_r50_tao.py")
    lvis = Vocabulary.load("lvis_v1")
    assert Vocabulary.load(cfg.model.detector.vocabulary) == lvis
    write_boxes(tmp_path / "tao", videos=2, statistics=BoxStatistics(frames=3))
    cfg.test_evaluator.update(
        ann_file=str(tmp_path / "tao/gt.json"), out_dir=str(tmp_path / "results")
    )
    metric = METRICS.build(cfg.test_evaluator)
    content = json.loads((tmp_path / "tao/gt.json").read_text())
    for image in content["images"]:
        metric.process({}, [truth(image, content, lvis)])
    scores = metric.evaluate(len(content["images"]))
    assert scores["tao/all/TrackAP"] == pytest.approx(100)
    classes = {row["category_id"] for row in content["annotations"]}
    assert not classes <= set(Vocabulary.load("tao_validation").category_ids)


def truth(image: dict, content: dict, vocabulary: Vocabulary) -> dict:
    """A tracker's sample that says what is annotated."""
    rows = [row for row in content["annotations"] if row["image_id"] == image["id"]]
    frames = [other for other in content["images"] if other["video_id"] == image["video_id"]]
    xywh = torch.tensor([row["bbox"] for row in rows]).reshape(-1, 4)
    found = dict(
        bboxes=torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], dim=1),
        scores=torch.ones(len(rows)),
        labels=torch.tensor([vocabulary.label_of(row["category_id"]) for row in rows]),
    )
    return dict(
        img_id=image["id"],
        video_id=image["video_id"],
        frame_id=frames.index(image),
        video_length=len(frames),
        vocabulary=vocabulary.fingerprint,
        pred_instances=found,
        pred_track_instances=dict(
            found, instances_id=torch.tensor([row["track_id"] for row in rows])
        ),
    )
