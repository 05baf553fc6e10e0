"""LVIS completed by COCO: which annotations are added, known, or denied."""

from __future__ import annotations

import copy
import json

import pytest

from vovtrack.cli.main import main
from vovtrack.formats.lvis_coco import merge_coco
from vovtrack.structures.vocabulary import coco_synsets, lvis_v1_categories

LVIS = {c["synset"]: c["id"] for c in lvis_v1_categories()}
DOG, CAT, SOFA = (LVIS[name] for name in ("dog.n.01", "cat.n.01", "sofa.n.01"))
COCO_DOG, COCO_CAT, COCO_SOFA = 18, 17, 63
BOX = [10, 10, 40, 40]
NEAR = [12, 10, 40, 40]
FAR = [100, 100, 40, 40]


def rows(*found) -> list[dict]:
    return [
        dict(id=n, image_id=i, category_id=c, bbox=b, area=1600, segmentation=[[0, 0, 1, 0, 1, 1]])
        for n, (i, c, b) in enumerate(found, start=50)
    ]


def lvis(*found, absent=()) -> dict:
    url = "http://images.cocodataset.org/train2017/000000000007.jpg"
    image = dict(id=7, coco_url=url, width=200, height=200, neg_category_ids=list(absent))
    return dict(
        images=[image], annotations=rows(*found), categories=copy.deepcopy(lvis_v1_categories())
    )


def coco(*found) -> dict:
    images = [dict(id=i, file_name=f"{i:012d}.jpg", width=200, height=200) for i in (7, 8)]
    categories = [dict(id=i, name=name) for i, name in coco_synsets().items()]
    return dict(images=images, annotations=rows(*found), categories=categories)


def added(ours: dict, theirs: dict, **kwargs) -> tuple[list, dict]:
    before = copy.deepcopy((ours, theirs))
    merged, counts = merge_coco(ours, theirs, **kwargs)
    assert (ours, theirs) == before, "the inputs stay"
    assert [row["id"] for row in merged["annotations"]] == [
        *range(1, len(merged["annotations"]) + 1)
    ]
    known = len(ours["annotations"])
    return [(r["category_id"], r["bbox"]) for r in merged["annotations"][known:]], counts


def test_every_class_of_coco_has_one_of_lvis():
    assert len(coco_synsets()) == 80 and set(coco_synsets().values()) <= set(LVIS)


def test_known_and_new_objects():
    theirs = coco((7, COCO_DOG, NEAR), (7, COCO_DOG, FAR), (7, COCO_CAT, NEAR), (8, COCO_DOG, BOX))
    found, counts = added(lvis((7, DOG, BOX)), theirs)
    assert found == [(DOG, FAR), (CAT, NEAR)]
    assert counts == dict(added=2, known=1, denied=0, elsewhere=1)
    found, _ = added(lvis((7, DOG, BOX)), theirs, iou_threshold=0.95)
    assert found == [(DOG, NEAR), (DOG, FAR), (CAT, NEAR)]


def test_absent_classes_and_images_without_annotations():
    theirs = coco((7, COCO_CAT, FAR), (7, COCO_SOFA, FAR))
    found, counts = added(lvis((7, DOG, BOX), absent=[CAT]), theirs)
    assert found == [(SOFA, FAR)] and counts["denied"] == 1
    found, counts = added(lvis(), theirs)
    assert found == [] and counts["elsewhere"] == 2


def test_the_command(tmp_path, capsys):
    paths = tmp_path / "lvis.json", tmp_path / "coco.json"
    for path, content in zip(paths, (lvis((7, DOG, BOX)), coco((7, COCO_CAT, FAR))), strict=True):
        path.write_text(json.dumps(content))
    out = tmp_path / "merged.json"
    words = ["prepare", "merge", *map(str, paths), "--out", str(out), "--boxes-only"]
    assert main(words) == 0
    assert "2 annotations; of COCO's 1 were added, 0 known" in capsys.readouterr().out
    content = json.loads(out.read_text())
    assert [row["category_id"] for row in content["annotations"]] == [DOG, CAT]
    assert not any("segmentation" in row for row in content["annotations"])
    nameless = lvis((7, DOG, BOX))
    nameless["categories"][0].pop("synset")
    paths[0].write_text(json.dumps(nameless))
    assert main(words) == 2
    assert "has no 'synset'" in capsys.readouterr().err


@pytest.mark.parametrize("iou", ["0.5", "0.9"])
def test_the_threshold_is_the_users(tmp_path, iou, capsys):
    paths = tmp_path / "lvis.json", tmp_path / "coco.json"
    half = [10, 10, 40, 28]  # overlap of 0.7
    for path, content in zip(paths, (lvis((7, DOG, BOX)), coco((7, COCO_DOG, half))), strict=True):
        path.write_text(json.dumps(content))
    out = str(tmp_path / "merged.json")
    assert main(["prepare", "merge", *map(str, paths), "--out", out, "--iou", iou]) == 0
    assert ("1 known" if iou == "0.5" else "1 were added") in capsys.readouterr().out
