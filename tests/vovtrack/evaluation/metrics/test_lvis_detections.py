"""Detections in stills: what the metric writes and scores, boxes and masks."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from pycocotools import mask as rle

import detpro  # noqa: F401  registers the models
import vovtrack.models  # noqa: F401
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.lvis_detections import CocoDetectionMetric, LvisDetectionMetric
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import write_world


@pytest.fixture(scope="module")
def ann_file(tmp_path_factory):
    world = write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1)
    return world / "lvis/annotations/val.json"


def perfect(ann_file) -> list[dict]:
    """The ground truth as if it were predicted."""
    content, vocabulary = json.loads(ann_file.read_text()), Vocabulary.load(ann_file)
    samples = []
    for image in content["images"]:
        rows = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        size = (image["height"], image["width"])
        masks = [rle.decode(rle.merge(rle.frPyObjects(a["segmentation"], *size))) for a in rows]
        boxes = np.array([a["bbox"] for a in rows], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        found = dict(
            bboxes=torch.from_numpy(boxes),
            scores=torch.linspace(0.9, 0.5, len(rows)),
            labels=torch.tensor([vocabulary.label_of(a["category_id"]) for a in rows]),
            masks=torch.from_numpy(np.array(masks, bool).reshape(-1, *size)),
        )
        samples.append(dict(img_id=image["id"], pred_instances=found))
    return samples


def metric(ann_file, out, **kwargs) -> LvisDetectionMetric:
    return LvisDetectionMetric(str(ann_file), str(ann_file), str(out), **kwargs)


def test_perfect_detections_have_full_precision(ann_file, tmp_path):
    part = metric(ann_file, tmp_path, iou_types=("bbox", "segm"))
    part.process({}, perfect(ann_file))
    scores = part.evaluate(len(perfect(ann_file)))
    assert scores["lvis/bbox_AP"] == pytest.approx(100)
    assert scores["lvis/segm_AP"] == pytest.approx(100)
    assert {p.name for p in tmp_path.iterdir()} >= {"bbox.json", "segm.json", "lvis_bbox.json"}
    again = json.loads((tmp_path / "segm.json").read_text())
    assert set(again[0]) == {"image_id", "category_id", "score", "segmentation", "bbox"}


def test_half_of_the_objects_and_files_alone(ann_file, tmp_path):
    samples = perfect(ann_file)
    for sample in samples:
        found = sample["pred_instances"]
        sample["pred_instances"] = {name: value[::2] for name, value in found.items()}
    part = metric(ann_file, tmp_path)
    part.process({}, samples)
    assert 10 < part.evaluate(len(samples))["lvis/bbox_AP"] < 90
    part = metric(ann_file, tmp_path / "files", format_only=True)
    part.process({}, samples)
    assert part.evaluate(len(samples)) == {}
    assert (tmp_path / "files/bbox.json").exists()


def test_annotations_without_a_class_to_find_give_no_numbers(ann_file, tmp_path):
    content = json.loads(ann_file.read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    crowds = tmp_path / "crowds.json"
    crowds.write_text(json.dumps(content))
    part = CocoDetectionMetric(str(crowds), str(crowds), str(tmp_path / "out"))
    part.process({}, perfect(ann_file))
    assert part.evaluate(len(content["images"])) == {}


def test_memory_does_not_grow_with_the_dataset(ann_file, tmp_path):
    """Three hundred masks an image: whoever kept them would grow by 60 kB an image."""
    (sample, *_) = (s for s in perfect(ann_file) if len(s["pred_instances"]["labels"]))
    crowd = {n: v[:1].repeat(300, *[1] * (v.ndim - 1)) for n, v in sample["pred_instances"].items()}
    part = metric(ann_file, tmp_path, iou_types=("bbox", "segm"), format_only=True)
    part.process({}, [dict(sample, pred_instances=crowd)] * 2)
    tracemalloc.start()
    try:
        for _ in range(20):
            part.process({}, [dict(sample, pred_instances=crowd)])
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        part.evaluate(22)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    written = (tmp_path / "segm.json").read_text()
    assert grown < 50_000 and peak - grown < len(written) / 3
    assert len(json.loads(written)) == 22 * 300


PROCESS = """
import sys, torch
sys.path[:0] = sys.argv[1:3]
from mmengine.dist import get_rank
from test_lvis_detections import metric, perfect
from pathlib import Path
torch.distributed.init_process_group("gloo")
ann_file, out = Path(sys.argv[3]), Path(sys.argv[4])
samples = perfect(ann_file)
samples += samples[: len(samples) % 2]
part = metric(ann_file, out, iou_types=("bbox", "segm"))
part.process({}, samples[get_rank()::2])
(out / f"scores{get_rank()}").write_text(str(part.evaluate(len(perfect(ann_file)))))
"""


def test_two_processes_write_and_score_the_same(ann_file, tmp_path, repo_root):
    alone = metric(ann_file, tmp_path / "alone", iou_types=("bbox", "segm"))
    alone.process({}, perfect(ann_file))
    expected = str(alone.evaluate(len(perfect(ann_file))))
    (tmp_path / "two").mkdir()
    (tmp_path / "job.py").write_text(PROCESS)
    words = (repo_root, Path(__file__).parent, ann_file, tmp_path / "two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    subprocess.run([*command, "2", str(tmp_path / "job.py"), *map(str, words)], check=True)
    for rank in range(2):
        assert (tmp_path / f"two/scores{rank}").read_text() == expected
    for name in ("bbox.json", "segm.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_what_is_refused(ann_file, tmp_path):
    samples = perfect(ann_file)
    samples[0]["pred_instances"].pop("masks")
    with pytest.raises(InputError, match="predicts no masks"):
        metric(ann_file, tmp_path, iou_types=("segm",)).process({}, samples)
    samples[1]["pred_instances"]["scores"][0] = float("nan")
    with pytest.raises(InputError, match="Image .* not finite"):
        metric(ann_file, tmp_path).process({}, samples)
    with pytest.raises(InputError, match=r"iou_types \['keypoints'\]"):
        metric(ann_file, tmp_path, iou_types=("keypoints",))


def test_a_mask_head_predicts_masks_of_the_original_size(repository):
    cfg = load_config("configs/mini/detpro.py").model
    cfg.roi_head.mask_roi_extractor = dict(
        cfg.roi_head.bbox_roi_extractor, roi_layer=dict(type="RoIAlign", output_size=14)
    )
    cfg.roi_head.mask_head = dict(
        type="FCNMaskHead", num_convs=1, in_channels=64, conv_out_channels=16, num_classes=1,
        class_agnostic=True,
    )  # fmt: skip
    cfg.test_cfg.rcnn.update(mask_thr_binary=0.5, max_per_img=5)
    cfg.roi_head.score_rule.detect = 0.0
    torch.manual_seed(0)
    model = MODELS.build(cfg).eval()
    meta = dict(img_shape=(96, 128), ori_shape=(48, 64), scale_factor=(2.0, 2.0), img_id=0)
    sample = DetDataSample(metainfo=dict(meta, batch_input_shape=(96, 128)))
    with torch.no_grad():
        (found,) = model.predict(torch.randn(1, 3, 96, 128), [sample], rescale=True)
    instances = found.pred_instances
    assert instances.masks.shape == (5, 48, 64) and "probabilities" not in instances
    assert (instances.bboxes[:, 2] <= 64).all() and (instances.bboxes[:, 3] <= 48).all()
