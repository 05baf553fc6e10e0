"""LVIS-style stills: what training sees, and what is wrong with a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset

from detpro.datasets import OpenVocabLVISDataset
from vovtrack.errors import InputError
from vovtrack.synthetic import world_vocabulary, write_world


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1) / "lvis"


def dataset(root, ann_file="annotations/val.json", **kwargs) -> OpenVocabLVISDataset:
    prefix = dict(img=str(root / "images"))
    return OpenVocabLVISDataset(ann_file=str(root / ann_file), data_prefix=prefix, **kwargs)


def labels(data) -> set[int]:
    return {i["bbox_label"] for k in range(len(data)) for i in data.get_data_info(k)["instances"]}


def test_training_sees_base_classes_only(root):
    novel = set(world_vocabulary().novel.nonzero()[0])
    assert labels(dataset(root, visible="all")) & novel
    assert labels(dataset(root)) and not labels(dataset(root)) & novel


def test_the_annotation_file_is_read_once(root, opened):
    assert len(dataset(root)) > 0
    assert opened.count(str(root / "annotations/val.json")) == 1


def test_images_that_show_nothing_are_for_testing_only(root, tmp_path):
    content = json.loads((root / "annotations/val.json").read_text())
    first = content["images"][0]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != first]
    (tmp_path / "ann.json").write_text(json.dumps(content))
    kept = dataset(root, tmp_path / "ann.json", visible="all")
    everything = dataset(root, tmp_path / "ann.json", visible="all", test_mode=True)
    assert len(kept) == len(everything) - 1


def test_missing_images_are_listed_before_anything_runs(root, tmp_path):
    with pytest.raises(InputError, match=r"6 of 6 images .*data_prefix"):
        OpenVocabLVISDataset(
            ann_file=str(root / "annotations/val.json"),
            data_prefix=dict(img=str(tmp_path)),
            visible="all",
        )


def test_lvis_images_without_file_name_are_named_by_their_url(root, tmp_path):
    content = json.loads((root / "annotations/val.json").read_text())
    for image in content["images"]:
        image["coco_url"] = f"http://images.example/{image.pop('file_name')}"
    (tmp_path / "ann.json").write_text(json.dumps(content))
    data = OpenVocabLVISDataset(
        ann_file=str(tmp_path / "ann.json"),
        data_prefix=dict(img=str(root / "images")),
        visible="all",
    )
    assert len(data) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "'images'"),
        (lambda c: c["annotations"][0].pop("bbox"), "annotation 1 lacks the key 'bbox'"),
        (lambda c: c["images"][0].pop("file_name"), "neither 'file_name' nor 'coco_url'"),
    ],
)
def test_broken_files_name_file_and_key(root, tmp_path, change, message):
    content = json.loads((root / "annotations/val.json").read_text())
    change(content)
    (tmp_path / "broken.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"broken\.json.*{message}"):
        dataset(root, tmp_path / "broken.json", vocabulary=world_vocabulary())


def test_a_truncated_file_is_named(root, tmp_path):
    text = (root / "annotations/val.json").read_text()
    (tmp_path / "cut.json").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"cut\.json.*JSON"):
        dataset(root, tmp_path / "cut.json", vocabulary=world_vocabulary())


def test_a_mistyped_visibility_does_not_show_novel_classes(root):
    with pytest.raises(InputError, match="visible is 'bases', expected one of base, all"):
        dataset(root, visible="bases")


def test_a_file_that_shows_no_base_class_is_refused(root, tmp_path):
    content = json.loads((root / "annotations/val.json").read_text())
    for category in content["categories"]:
        category["frequency"] = "r"
    (tmp_path / "novel.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"novel\.json': no image shows an instance"):
        dataset(root, tmp_path / "novel.json")


def test_images_of_rare_classes_are_repeated(root):
    data = dataset(root, "annotations/train.json")
    threshold = 0.5
    counts = np.zeros(len(world_vocabulary()))
    for index in range(len(data)):
        counts[list(set(data.get_cat_ids(index)))] += 1
    share = counts / len(data)
    expected = sum(
        max(int(np.ceil(max(1, np.sqrt(threshold / share[c])))) for c in data.get_cat_ids(index))
        for index in range(len(data))
    )
    balanced = ClassBalancedDataset(data, oversample_thr=threshold)
    assert len(balanced) == expected > len(data)
