"""COCO average precision against pycocotools, by split, and by what tells it from LVIS."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.structures import Vocabulary


def write(tmp_path, content, found):
    gt, pred = tmp_path / "gt.json", tmp_path / "pred.json"
    gt.write_text(json.dumps(content))
    pred.write_text(json.dumps(found))
    return gt, pred


def random_case(classes: list[int], images: int = 12):
    """Objects, crowds among them, and detections near and far of them."""
    rng = np.random.default_rng(0)
    content = dict(
        images=[dict(id=i + 1, width=300, height=300) for i in range(images)],
        categories=[dict(id=c, name=f"c{c}") for c in classes],
        annotations=[],
    )
    found = []
    for image in content["images"]:
        for _ in range(8):
            x, y, w, h = [*rng.uniform(0, 150, 2), *rng.uniform(5, 140, 2)]
            row = dict(image_id=image["id"], category_id=int(rng.choice(classes)))
            number = len(content["annotations"]) + 1
            crowd = int(rng.random() < 0.1)
            box = [float(v) for v in (x, y, w, h)]
            content["annotations"].append(dict(row, id=number, bbox=box, area=w * h, iscrowd=crowd))
            if rng.random() < 0.7:
                near = [float(v) for v in np.array(box) * rng.uniform(0.9, 1.1, 4)]
                found.append(dict(row, bbox=near, score=float(rng.random())))
            wrong = dict(row, category_id=int(rng.choice(classes)))
            found.append(dict(wrong, bbox=box, score=float(rng.random())))
    return content, found


def reference(gt, pred, categories) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(gt))
        program = COCOeval(truth, truth.loadRes(str(pred)), "bbox")
        program.params.catIds = list(categories)
        program.evaluate()
        program.accumulate()
        program.summarize()
    return 100 * program.stats


@pytest.mark.parametrize("subset", [slice(None), slice(0, 3)])
def test_equals_pycocotools(tmp_path, subset):
    classes = [1, 2, 3, 5, 8]
    gt, pred = write(tmp_path, *random_case(classes))
    chosen = Vocabulary(
        tuple(f"c{c}" for c in classes[subset]),
        tuple(classes[subset]),
        [False] * len(classes[subset]),
    )
    found = evaluate("coco", gt, pred, classes=chosen)["summary"]["all"]
    expected = reference(gt, pred, classes[subset])
    for name, place in (("AP", 0), ("AP50", 1), ("AP75", 2), ("APs", 3), ("APm", 4), ("APl", 5)):
        assert found[name] == pytest.approx(expected[place], abs=1e-9)
    assert found["AR@100"] == pytest.approx(expected[8], abs=1e-9)
    assert 5 < found["AP"] < 95


def test_base_and_novel_classes_of_the_published_split(tmp_path):
    vocabulary = Vocabulary.load("coco_65")
    classes = list(vocabulary.category_ids[:12])
    content, found = random_case(classes)
    everything = Vocabulary.load("coco")
    names = dict(zip(everything.category_ids, everything.names, strict=True))
    content["categories"] = [dict(id=c, name=name) for c, name in names.items()]
    gt, pred = write(tmp_path, content, found)
    report = evaluate("coco", gt, pred, classes="coco_65")
    novel = [c for c in classes if vocabulary.novel[vocabulary.label_of(c)]]
    base = [c for c in classes if c not in novel]
    assert len(novel) == 3
    for group, ids in (("novel", novel), ("base", base)):
        expected = reference(gt, pred, ids)
        assert report["summary"][group]["AP50"] == pytest.approx(expected[1], abs=1e-9)
    assert report["protocol"]["classes"] == 65


def test_a_detection_is_wrong_in_images_without_its_class(tmp_path):
    """LVIS would not count it, since nobody says that the class is absent there."""
    box = [0, 0, 10, 10]
    content = dict(
        images=[dict(id=i, width=20, height=20) for i in (1, 2)],
        categories=[dict(id=1, name="a")],
        annotations=[dict(id=1, image_id=1, category_id=1, bbox=box, area=100, iscrowd=0)],
    )
    found = [
        dict(image_id=2, category_id=1, bbox=box, score=0.9),
        dict(image_id=1, category_id=1, bbox=box, score=0.5),
    ]
    files = write(tmp_path, content, found)
    assert evaluate("coco", *files)["summary"]["all"]["AP"] == pytest.approx(50)
    assert evaluate("lvis", *files)["summary"]["all"]["AP"] == pytest.approx(100)


def test_classes_that_the_file_lacks(tmp_path):
    files = write(tmp_path, *random_case([1, 2]))
    with pytest.raises(InputError, match="has no category for 63 classes, first 'car'"):
        evaluate("coco", *files, classes="coco_65")
