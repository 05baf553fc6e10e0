"""Image pairs: two views of one scene, matched by identity."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ovtrack.datasets import ImagePairDataset, pair_collate
from vovtrack.errors import InputError
from vovtrack.synthetic import write_world

PIPELINE = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadTrackAnnotations"),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmdet.PackIdentityInputs"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1) / "pairs"


def dataset(root, ann_file="annotations/train.json") -> ImagePairDataset:
    prefix = dict(img=str(root / "images"))
    return ImagePairDataset(ann_file=str(root / ann_file), data_prefix=prefix, pipeline=PIPELINE)


def test_both_views_come_from_one_video_and_share_an_object(root):
    data = dataset(root)
    assert len(data) == 12
    np.random.seed(0)
    for index in range(len(data)):
        key, reference = data[index]["data_samples"]
        assert key.img_id != reference.img_id
        ids = [set(s.gt_instances.instances_ids.tolist()) for s in (key, reference)]
        assert ids[0] & ids[1]
        assert len(key.gt_instances.bboxes) == len(key.gt_instances.instances_ids)


def test_batches_alternate_key_and_reference(root):
    data = dataset(root)
    batch = pair_collate([data[0], data[3]])
    assert len(batch["inputs"]) == len(batch["data_samples"]) == 4
    assert batch["data_samples"][0].img_id == data.get_data_info(0)["img_id"]
    assert batch["data_samples"][2].img_id == data.get_data_info(3)["img_id"]


def changed(root, tmp_path, change):
    content = json.loads((root / "annotations/train.json").read_text())
    change(content)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    return path


def test_instances_without_identity_are_refused(root, tmp_path):
    path = changed(root, tmp_path, lambda c: c["annotations"][0].pop("instance_id"))
    with pytest.raises(InputError, match=r"changed\.json.*instance_id"):
        dataset(root, path)


def test_files_without_a_common_object_are_refused(root, tmp_path):
    def tear_apart(content):
        for number, annotation in enumerate(content["annotations"]):
            annotation["instance_id"] = number

    with pytest.raises(InputError, match="share an object"):
        dataset(root, changed(root, tmp_path, tear_apart))
