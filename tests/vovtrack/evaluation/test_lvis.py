"""LVIS average precision against recorded values, on real annotations, and by fault."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.scores.lvis_ap import METRICS
from vovtrack.formats.lvis import _mask_fault

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
    reference = pytest.importorskip("faster_coco_eval")
    truth = reference.COCO(content)
    other = reference.COCOeval_faster(truth, truth.loadRes(rows), "bbox", lvis_style=True)
    other.params.maxDets = [300]
    other.run()
    assert shifted["AP"] == pytest.approx(100 * other.stats_as_dict["AP_all"], abs=1e-9)
    assert shifted["AP50"] == pytest.approx(100 * other.stats_as_dict["AP_50"], abs=1e-9)


FAULTS = [
    (lambda c, d: c.pop("images"), "gt.json: key 'images' is missing"),
    (lambda c, d: c["images"][0].pop("width"), "images.0.: 'width' must be a whole number"),
    (lambda c, d: c["images"][0].update(id="a"), "images.0.: 'id' must be a whole number"),
    (lambda c, d: c["images"][0].update(id=2), "images.1.: id 2 occurs twice"),
    (lambda c, d: c["annotations"][0].update(image_id=9), "annotation 1: image 9 is not in"),
    (lambda c, d: c["annotations"][0].update(category_id=9), "annotation 1: category 9 is not"),
    (lambda c, d: c["annotations"][0].update(bbox=[1]), "annotation 1: 'bbox' must be"),
    (lambda c, d: c.update(annotations=[]), "'annotations' is empty, so nothing can be"),
    (lambda c, d: c["images"][0].update(id=2**60), "images.0.: 'id' must be a whole number"),
    (lambda c, d: c["images"][0].update(width=-3), "images.0.: 'width' must be a whole number"),
    (lambda c, d: c["images"][0].update(neg_category_ids=None), "image 1: 'neg_category_ids' must"),
    (lambda c, d: c["images"][0].update(neg_category_ids=["a"]), "must be a list of category ids"),
    (lambda c, d: c["annotations"][0].update(area="x"), "annotation 1: 'area' must be a number"),
    (lambda c, d: c["annotations"][0].update(area=-1), "annotation 1: 'area' must be a number"),
    (lambda c, d: c["annotations"][0].update(iscrowd="x"), "annotation 1: 'iscrowd' must be 0"),
    (lambda c, d: c["categories"][0].update(frequency=5), "category 1: 'frequency' must be a text"),
    (lambda c, d: c["categories"][0].update(name="c2"), "two categories are called 'c2'"),
    (lambda c, d: d.append(3), "result 6: this is not a JSON object"),
    (lambda c, d: d[0].update(image_id=9), "result 0 .image 9.: its image is not in"),
    (lambda c, d: d[0].update(image_id=True), "key 'image_id' must be a whole number"),
    (lambda c, d: d[0].update(category_id=9), "its category is not in the annotations"),
    (lambda c, d: d[0].update(score=float("nan")), "'score' must be a finite number"),
    (lambda c, d: d[0].update(bbox=[1, 2, -3, 4]), "'bbox' must be four finite numbers"),
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
        ({"size": 5, "counts": "a"}, "'size' of its mask must be that of the image"),
        *(
            ({"size": [48, 64], "counts": counts}, "'counts' of its mask must be runs that fill")
            for counts in ("", "zzzz", "é", "P" * 500, [3, 4], [-1, 3073], [1.5], ["a"], [2**70])
        ),
    ],
)
def test_faulty_masks_are_named(world, mask, reason):
    world[1][0]["segmentation"] = mask
    with pytest.raises(InputError, match=reason):
        evaluate("lvis", *world[2](), iou_type="segm")


@pytest.mark.parametrize("shapes", [None, 5, [], [["a"]], [[1, 2, 3]], {"size": [48, 64]}])
def test_faulty_masks_of_the_ground_truth_are_named(world, shapes):
    world[0]["annotations"][0]["segmentation"] = shapes
    with pytest.raises(InputError, match="annotation 1: 'segmentation' must be polygons"):
        evaluate("lvis", *world[2](), iou_type="segm")


@given(arrays(np.uint8, (7, 9), elements=st.integers(0, 1)), st.integers(0, 200), st.characters())
def test_every_mask_is_taken_and_a_damaged_one_is_not(bits, place, letter):
    counts = rle.encode(np.asfortranarray(bits))["counts"].decode()
    assert _mask_fault({"size": [7, 9], "counts": counts}, (7, 9)) == ""
    damaged = counts[: place % len(counts)] + letter
    fault = _mask_fault({"size": [7, 9], "counts": damaged}, (7, 9))
    assert fault == "" or "runs that fill 7 x 9" in fault
    assert "runs that fill" in _mask_fault({"size": [7, 9], "counts": counts[:-1]}, (7, 9))


def test_lenient_leaves_faulty_detections_out(world):
    content, found, write = world
    found += [dict(found[0], image_id=9)] * 30 + [dict(found[0], category_id=9)]
    report = evaluate("lvis", *write(), lenient=True)
    assert report["summary"]["all"]["AP"] == pytest.approx(100)
    assert sorted(entry["count"] for entry in report["dropped"]) == [1, 30]


def test_it_has_no_shards(world):
    with pytest.raises(InputError, match="lvis is evaluated as a whole"):
        evaluate("lvis", *world[2](), shards=2)
    with pytest.raises(InputError, match="iou_type is 'x', expected one of bbox, segm"):
        evaluate("lvis", *world[2](), iou_type="x")
