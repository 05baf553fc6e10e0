"""LVIS average precision against recorded values, on real annotations, and by fault."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from pycocotools import mask as rle

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.lvis_ap import METRICS

EXPECTED = {
    "AP": 0.2080596559953823, "AP50": 0.40141262356744806, "AP75": 0.2010197523328721,
    "APs": 0.2776352125008419, "APm": 0.260345887430942, "APl": 0.17168379664307043,
    "APc": 0.09575671852899575, "APf": 0.21928994974202096, "AR@300": 0.24536912092882246,
    "ARs@300": 0.28333333333333327, "ARm@300": 0.3067139018616851,
    "ARl@300": 0.2145074178494261,
}  # fmt: skip


@pytest.mark.golden
def test_equals_the_lvis_program(recorded):
    report = evaluate("lvis", recorded("tao_small_gt"), recorded("tao_small_pred"))
    found = report["summary"]["all"]
    for metric, value in EXPECTED.items():
        assert found[metric] == pytest.approx(100 * value, abs=1e-9)
    assert found["APr"] is None and report["summary"]["novel"] is None
    assert set(found) == set(METRICS)
    mean = np.mean([scores["AP"] for scores in report["per_class"].values()])
    assert mean == pytest.approx(found["AP"])


@pytest.fixture
def world(tmp_path):
    """Two images of three classes, one of them rare, and perfect detections."""
    boxes = {1: [10, 10, 30, 20], 2: [5, 20, 12, 12], 3: [30, 5, 20, 40]}
    images = [
        dict(id=i, width=64, height=48, neg_category_ids=[], not_exhaustive_category_ids=[])
        for i in (1, 2)
    ]
    content = dict(
        images=images,
        categories=[dict(id=c, name=f"c{c}", frequency="fcr"[c - 1]) for c in boxes],
        annotations=[],
    )
    found = []
    for image in images:
        for c, box in boxes.items():
            mask = np.zeros((48, 64), np.uint8, order="F")
            x, y, w, h = box
            mask[y : y + h, x : x + w] = 1
            code = rle.encode(mask)
            code["counts"] = code["counts"].decode()
            number = len(content["annotations"]) + 1
            row = dict(image_id=image["id"], category_id=c, bbox=box, segmentation=code)
            content["annotations"].append(dict(row, id=number, area=w * h, iscrowd=0))
            found.append(dict(row, score=0.5))
    gt, pred = tmp_path / "gt.json", tmp_path / "pred.json"

    def write():
        gt.write_text(json.dumps(content))
        pred.write_text(json.dumps(found))
        return gt, pred

    return content, found, write


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_perfect_detections_score_100(world, iou_type):
    report = evaluate("lvis", *world[2](), iou_type=iou_type)
    for group in ("all", "base", "novel"):
        assert report["summary"][group]["AP"] == pytest.approx(100)
    assert report["per_class"]["c3"]["group"] == "novel"
    assert report["summary"]["base"]["APr"] is None


def test_packed_files_are_read(world, tmp_path):
    gt, pred = world[2]()
    packed = tmp_path / "gt.json.gz"
    packed.write_bytes(gzip.compress(gt.read_bytes()))
    assert evaluate("lvis", packed, pred)["summary"] == evaluate("lvis", gt, pred)["summary"]


def test_no_detections(world):
    world[1].clear()
    assert evaluate("lvis", *world[2]())["summary"]["all"]["AP"] == 0


def test_real_annotations(realdata, tmp_path):
    gt = realdata / "lvis_api/lvis_val_100.json"
    content = json.loads(gt.read_text())
    rows = [
        dict(image_id=a["image_id"], category_id=a["category_id"], bbox=a["bbox"], score=1.0)
        for a in content["annotations"]
    ]
    pred = tmp_path / "pred.json"
    pred.write_text(json.dumps(rows))
    assert evaluate("lvis", gt, pred)["summary"]["all"]["AP"] == pytest.approx(100)
    for row in rows:
        row["bbox"] = [row["bbox"][0] + 0.2 * row["bbox"][2], *row["bbox"][1:]]
    pred.write_text(json.dumps(rows))
    shifted = evaluate("lvis", gt, pred)["summary"]["all"]
    assert shifted["AP50"] > 90 and shifted["AP75"] < 20  # IoU is 0.667


FAULTS = [
    (lambda c, d: c.pop("images"), "gt.json: key 'images' is missing"),
    (lambda c, d: c["images"][0].pop("width"), "images.0.: 'width' must be a whole number"),
    (lambda c, d: c["images"][0].update(id="a"), "images.0.: 'id' must be a whole number"),
    (lambda c, d: c["images"][0].update(id=2), "images.1.: id 2 occurs twice"),
    (lambda c, d: c["annotations"][0].update(image_id=9), "annotation 1: image 9 is not in"),
    (lambda c, d: c["annotations"][0].update(category_id=9), "annotation 1: category 9 is not"),
    (lambda c, d: c["annotations"][0].update(bbox=[1]), "annotation 1: 'bbox' must be"),
    (lambda c, d: d.append(3), "detection 6 .*: this is not a JSON object"),
    (lambda c, d: d[0].update(image_id=9), "detection 0 .image 9.: its image is not in"),
    (lambda c, d: d[0].update(image_id=True), "its image is not in the annotations"),
    (lambda c, d: d[0].update(category_id=9), "its category is not in the annotations"),
    (lambda c, d: d[0].update(score=float("nan")), "'score' must be a finite number"),
    (lambda c, d: d[0].update(bbox=[1, 2, -3, 4]), "'bbox' must be x, y, w, h"),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS)
def test_faulty_files_are_named(world, change, reason):
    content, found, write = world
    change(content, found)
    with pytest.raises(InputError, match=reason):
        evaluate("lvis", *write())


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "must be a run-length encoding"),
        ({"size": [48, 64]}, "must be a run-length encoding"),
        ({"size": [64, 48], "counts": "a"}, "'size' of its mask must be that of the image"),
    ],
)
def test_faulty_masks_are_named(world, mask, reason):
    world[1][0]["segmentation"] = mask
    with pytest.raises(InputError, match=reason):
        evaluate("lvis", *world[2](), iou_type="segm")


def test_it_has_no_shards(world):
    with pytest.raises(InputError, match="lvis is evaluated as a whole"):
        evaluate("lvis", *world[2](), shards=2)
    with pytest.raises(InputError, match="iou_type 'x': expected one of bbox, segm"):
        evaluate("lvis", *world[2](), iou_type="x")
