"""Strong augmentation: several transforms that mix, by the same draws in both views of a pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from ovtrack.datasets import MixedPairDataset
from ovtrack.datasets.mixing import PairMixUp, identify, renumber
from vovtrack.datasets.transforms import FitResize

SIZE = (128, 96)
STEPS = dict(
    mosaic=dict(type="PairMosaic", img_scale=SIZE),
    affine=dict(type="TrackRandomAffine", border=(-SIZE[0] // 2, -SIZE[1] // 2)),
    mix_up=dict(type="PairMixUp", ratio_range=(0.8, 1.6), flip_ratio=0),
    clip=dict(type="TrackClipBoxes"),
)
RESIZE = dict(type="FitResize", scale=SIZE, ratio_range=(0.5, 1.5))
CROP = dict(type="TrackRandomCrop", crop_size=SIZE, allow_negative_crop=True)


@pytest.fixture
def pairs(world):
    """Builds the pairs of the tiny world, each image its own reference: what a pair shares is
    then known."""

    def build(pipeline=(), **kwargs) -> MixedPairDataset:
        with DefaultScope.overwrite_default_scope("mmdet"):
            return MixedPairDataset(
                dataset=dict(
                    type="ImagePairDataset",
                    data_root=str(world),
                    ann_file="pairs/annotations/train.json",
                    data_prefix=dict(img="pairs/images"),
                    include_self=True,
                    max_gap=0,
                    pipeline=[],
                ),
                load=[dict(type="LoadCheckedImage"), dict(type="LoadTrackAnnotations")],
                mix=dict(type="MixSteps", steps=STEPS),
                pipeline=[*pipeline, dict(type="PackIdentityInputs")],
                require_match=False,
                **kwargs,
            )

    return build


def objects(sample) -> dict[int, list[float]]:
    found = sample.gt_instances
    boxes = getattr(found.bboxes, "tensor", found.bboxes)
    return dict(zip(found.instances_ids.tolist(), boxes.tolist(), strict=True))


def test_views_of_one_image_that_share_their_draws_are_equal(pairs):
    shared = pairs(share_mix=True)
    for index in range(len(shared)):
        item = shared[index]
        key, reference = item["inputs"]
        assert (key == reference).all() and key.shape[1:] == SIZE[::-1]
        assert objects(item["data_samples"][0]) == objects(item["data_samples"][1])
    # Each item draws anew.
    assert not np.array_equal(shared[0]["inputs"][0], shared[0]["inputs"][0])


def test_views_that_do_not_share_their_draws_differ(pairs):
    np.random.seed(0)
    key, reference = pairs()[0]["inputs"]
    assert (key != reference).any()


def test_an_object_keeps_its_number_in_both_views(pairs):
    """Labels of equal numbers agree, however the views are resized, cropped and mirrored."""
    data = pairs([dict(type="RandomFlip", prob=0.5), RESIZE, CROP], share_mix=True)
    np.random.seed(1)
    shared = 0
    for index in [*range(len(data))] * 4:
        samples = data[index]["data_samples"]
        views = [sample.gt_instances for sample in samples]
        labels = [
            dict(zip(view.instances_ids.tolist(), view.labels.tolist(), strict=True))
            for view in views
        ]
        common = labels[0].keys() & labels[1].keys()
        assert all(labels[0][i] == labels[1][i] for i in common)
        shared += len(common)
        numbers = {*labels[0], *labels[1]}
        assert not numbers or max(numbers) < 5 * 4 * 20
        for sample in samples:
            boxes = np.array(list(objects(sample).values())).reshape(-1, 4)
            height, width = sample.img_shape
            assert np.isfinite(boxes).all() and (boxes >= 0).all()
            assert (boxes <= [width, height, width, height]).all()
    assert shared > 2 * len(data)


def test_boxes_of_a_crop_are_cut_unless_asked_otherwise(pairs):
    whole = pairs([RESIZE, dict(CROP, bbox_clip_border=False)], share_mix=True)
    np.random.seed(2)
    beyond = 0
    for index in [*range(len(whole))] * 4:
        for sample in whole[index]["data_samples"]:
            boxes = np.array(list(objects(sample).values())).reshape(-1, 4)
            height, width = sample.img_shape
            beyond += int(((boxes < -1) | (boxes > [width + 1, height + 1] * 2)).any(axis=1).sum())
    assert beyond > 0


def test_mixing_stops_in_workers_that_are_running(pairs):
    data = pairs(share_mix=True)
    loader = DataLoader(data, num_workers=1, persistent_workers=True, batch_size=None)

    def sources() -> set[int]:
        """How many images the views are made of; 0 for those that are as they were read."""
        samples = [sample for item in loader for sample in item["data_samples"]]
        return {len(getattr(sample, "homography_matrix", ())) for sample in samples}

    assert sources() == {5}
    data.stop_mixing()
    assert sources() == {0}


def test_boxes_that_are_no_objects_get_no_number():
    views = [
        dict(gt_instances_ids=np.array(ids), gt_ignore_flags=np.zeros(3, bool))
        for ids in ([7, -1, 2000], [2000, 3, -1])
    ]
    for view in views:
        other = dict(gt_instances_ids=np.array([7, -1]), gt_ignore_flags=np.zeros(2, bool))
        identify((view, other), "instance")
        assert (other["gt_instances_ids"] < 0).tolist() == [False, True]
        view["gt_instances_ids"] = np.concatenate([view["gt_instances_ids"], [15]])
    renumber(views)
    assert [view["gt_instances_ids"].tolist() for view in views] == [[0, -1, 1, 2], [1, 3, -1, 2]]


def blank(height: int, width: int, boxes: list[list[float]], first_id: int) -> dict:
    """A black view with some boxes."""
    return dict(
        img=np.zeros((height, width, 3), np.uint8),
        gt_bboxes=HorizontalBoxes(torch.tensor(boxes).reshape(-1, 4)),
        gt_bboxes_labels=np.zeros(len(boxes), np.int64),
        gt_instances_ids=first_id + np.arange(len(boxes)),
        gt_ignore_flags=np.zeros(len(boxes), bool),
    )


@pytest.mark.parametrize(
    ("overlap", "kept"),
    [
        ("shown", [[2, 2, 8, 8], [0, 0, 1, 4]]),
        # The first is dropped; the last is kept, without an area, though nothing of it is shown.
        ("unshifted", [[10, 2, 10, 8]]),
    ],
)
def test_boxes_of_a_mixed_up_crop(overlap, kept):
    """Of 40 pixels in width, 10 are shown from the tenth on."""
    boxes = [[12.0, 2, 18, 8], [6, 0, 11, 4], [25, 2, 35, 8]]
    view, other = blank(10, 10, [[1.0, 1, 5, 5]], 0), blank(10, 40, boxes, 7)
    found = PairMixUp(overlap=overlap).combine(view, other, size=(10, 40), corner=(10, 0))
    assert found["gt_bboxes"].tensor.tolist() == [[1, 1, 5, 5], *kept]
    assert len(set(found["gt_instances_ids"])) == 1 + len(kept)


def test_a_mix_up_with_an_image_without_objects_keeps_its_own():
    view, other = blank(10, 10, [[1.0, 1, 5, 5]], 3), blank(10, 10, [], 0)
    found = PairMixUp().combine(view, other, size=(10, 10), corner=(0, 0))
    assert found["gt_bboxes"].tensor.tolist() == [[1, 1, 5, 5]]
    assert len(found["gt_instances_ids"]) == len(found["gt_sources"]) == 1


def test_a_frame_is_fitted_into_a_landscape_whatever_its_format():
    """mmcv's Resize would turn the frame for the second one."""
    for height, width, expected in ((50, 100, (40, 80)), (100, 50, (45, 23))):
        view = dict(img=np.zeros((height, width, 3), np.uint8))
        found = FitResize(scale=(80, 45), as_float=True)(view)
        assert found["img_shape"] == expected and found["img"].dtype == np.float32
