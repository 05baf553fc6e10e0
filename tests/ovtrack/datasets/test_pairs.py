"""Image pairs: two views of one scene, matched by identity."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ovtrack.datasets import ImagePairDataset, views_collate
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


def dataset(root, ann_file="annotations/train.json", **kwargs) -> ImagePairDataset:
    prefix = dict(img=str(root / "images"))
    return ImagePairDataset(
        ann_file=str(root / ann_file), data_prefix=prefix, pipeline=PIPELINE, **kwargs
    )


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
    batch = views_collate([data[0], data[3]])
    assert len(batch["inputs"]) == len(batch["data_samples"]) == 4
    assert batch["data_samples"][0].img_id == data.get_data_info(0)["img_id"]
    assert batch["data_samples"][2].img_id == data.get_data_info(3)["img_id"]


def test_the_annotation_file_is_read_once(root, opened):
    data = dataset(root)
    assert len(data) > 0
    assert opened.count(str(root / "annotations/train.json")) == 1


def test_images_with_a_short_side_are_left_out(root):
    images = json.loads((root / "annotations/train.json").read_text())["images"]
    side = min(min(image["width"], image["height"]) for image in images)
    assert len(dataset(root, filter_cfg=dict(min_size=side))) == 12
    with pytest.raises(InputError, match=r"train\.json': no image has 9999 pixels on each side"):
        dataset(root, filter_cfg=dict(min_size=9999))


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


@pytest.mark.parametrize("key", ["video_id", "frame_id"])
def test_files_without_videos_are_refused(root, tmp_path, key):
    path = changed(root, tmp_path, lambda c: c["images"][0].pop(key))
    with pytest.raises(
        InputError, match=rf"changed\.json': image 1 lacks the key '{key}'.*CocoVID"
    ):
        dataset(root, path)


def test_an_identity_twice_in_one_image_is_refused(root, tmp_path):
    def repeat(content):
        first = content["annotations"][0]
        content["annotations"].append(dict(first, id=10**6))

    with pytest.raises(InputError, match="image 1: two annotations have the same 'instance_id'"):
        dataset(root, changed(root, tmp_path, repeat))


def test_crowds_are_not_a_common_object(root, tmp_path):
    def crowd(content):
        for annotation in content["annotations"]:
            annotation["iscrowd"] = 1

    with pytest.raises(InputError, match="share an object"):
        dataset(root, changed(root, tmp_path, crowd))


def test_images_without_partner_are_left_out_and_counted(root, tmp_path, monkeypatch):
    def separate(content):
        for annotation in content["annotations"]:
            if annotation["video_id"] == 1:
                annotation["instance_id"] = 10**6 + annotation["id"]

    told = []
    monkeypatch.setattr("ovtrack.datasets.pairs.print_log", lambda text, **_: told.append(text))
    data = dataset(root, changed(root, tmp_path, separate))
    assert len(data) == 10
    assert 1 not in {data.get_data_info(i)["video_id"] for i in range(len(data))}
    assert len(told) == 1 and "2 of 12 images are left out" in told[0]


def test_a_pair_that_lost_its_common_objects_is_drawn_again(root):
    """The pipeline empties every view of one video; its keys give pairs of other videos."""
    data = dataset(root)

    class Blind:
        def __call__(self, results):
            if results["video_id"] == 1:
                results["instances"] = []
            return results

    data.pipeline.transforms.insert(0, Blind())
    np.random.seed(0)
    for index in range(len(data)):
        key, reference = data[index]["data_samples"]
        assert len(key.gt_instances) and len(reference.gt_instances)
    assert data.prepare_data(0) is None


def test_the_same_seed_draws_the_same_pairs(root):
    def draw(seed):
        data = dataset(root)
        np.random.seed(seed)
        return [data[i]["data_samples"][1].img_id for i in range(len(data))], data[0]["inputs"]

    (ids, views), (again, views_again) = draw(3), draw(3)
    assert ids == again
    assert all((a == b).all() for a, b in zip(views, views_again, strict=True))
