"""Regions of an image pair: which are picked, and which of them show the same object."""

from __future__ import annotations

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torchvision.ops import box_iou

from ovtrack.models.pairs import AssignResult, BalancedPosSampler, PairSampler
from tests.fake_cuda import fake_cuda
from tests.waits import Waits

ASSIGNER = dict(
    type="mmdet.MaxIoUAssigner",
    pos_iou_thr=0.7,
    neg_iou_thr=0.3,
    min_pos_iou=0.5,
    match_low_quality=False,
)
OBJECTS = torch.tensor([[0.0, 0, 40, 40], [60, 0, 100, 40], [0, 60, 40, 100]])


def make() -> PairSampler:
    sampler = dict(
        type="mmdet.CombinedSampler",
        num=1000,
        pos_fraction=0.5,
        add_gt_as_proposals=True,
        pos_sampler=dict(type="BalancedPosSampler"),
        neg_sampler=dict(type="RandomSampler"),
    )
    return PairSampler(ASSIGNER, sampler)


def image(ids: list[int], boxes: torch.Tensor) -> DetDataSample:
    instances = InstanceData(
        bboxes=boxes,
        labels=torch.zeros(len(ids), dtype=torch.long),
        instances_ids=torch.tensor(ids),
    )
    return DetDataSample(gt_instances=instances)


def proposals(*boxes: torch.Tensor) -> InstanceData:
    return InstanceData(bboxes=torch.cat(boxes))


BACKGROUND = torch.tensor([[200.0, 200, 240, 240], [300, 0, 340, 40]])


def test_targets_are_equal_identities_and_background_is_nobody():
    near = OBJECTS + torch.tensor([2.0, 0, 2, 0])
    between = OBJECTS[:1] + torch.tensor([15.0, 0, 15, 0])  # overlap of 0.45: neither
    pair = [image([7, 0, 9], OBJECTS), image([9, 7, 4], OBJECTS)]
    found = [proposals(near, between, BACKGROUND)] * 2
    regions, labels, (target,) = make().sample(found, pair)
    assert [len(boxes) for boxes in regions] == [6, 8]
    assert labels[0].tolist() == [0] * 6 and labels[1].tolist() == [0] * 6 + [-1] * 2
    key, reference = regions
    assert (box_iou(key, OBJECTS).amax(dim=1) >= 0.7).all(), "keys show objects only"
    assert (box_iou(reference[6:], BACKGROUND).amax(dim=1) == 1).all(), "background comes last"
    identity = {0: [7, 0, 9], 1: [9, 7, 4]}
    shown = [
        torch.tensor(identity[side])[box_iou(boxes, OBJECTS).argmax(dim=1)]
        for side, boxes in enumerate((key, reference[:6]))
    ]
    assert torch.equal(target[:, :6], shown[0][:, None] == shown[1][None])
    assert not target[:, 6:].any()
    assert target.sum() == 2 * 4, "two objects in common, each with two regions on both sides"


def test_pairs_stay_apart():
    first, second = image([1], OBJECTS[:1]), image([1], OBJECTS[1:2])
    found = [proposals(BACKGROUND)] * 4
    regions, _, targets = make().sample(found, [first, first, second, second])
    assert [len(boxes) for boxes in regions] == [1, 3, 1, 3]
    assert [t.shape for t in targets] == [(1, 3), (1, 3)]
    assert torch.equal(regions[0], OBJECTS[:1]) and torch.equal(regions[2], OBJECTS[1:2])


def test_an_image_without_objects_gives_background_only():
    empty = image([], torch.zeros(0, 4))
    _, labels, (target,) = make().sample([proposals(BACKGROUND)] * 2, [empty, empty])
    assert [own.tolist() for own in labels] == [[], [-1, -1]] and target.shape == (0, 2)


def assigned(counts: list[int]) -> AssignResult:
    """Regions of objects 1, 2... and as many of background, mixed."""
    owners = torch.repeat_interleave(torch.arange(len(counts)) + 1, torch.tensor(counts))
    owners = torch.cat([owners, torch.zeros_like(owners)])
    owners = owners[torch.randperm(len(owners), generator=torch.Generator().manual_seed(0))]
    return AssignResult(len(counts), owners, torch.zeros(len(owners)), torch.zeros_like(owners))


def picked(result: AssignResult, number: int) -> torch.Tensor:
    return BalancedPosSampler(num=2 * number, pos_fraction=0.5)._sample_pos(result, number)


@pytest.mark.parametrize(
    ("counts", "number", "expected"),
    [
        ([4, 3], 8, [4, 3]),
        ([100, 10, 3], 32, [19, 10, 3]),  # 12 wanted of each, 7 more from the only one left
        ([0, 100, 0, 40], 16, None),  # 9 wanted of each, one of them too much
    ],
)
def test_objects_are_picked_equally_often(counts, number, expected):
    result = assigned(counts)
    torch.manual_seed(0)
    places = picked(result, number)
    assert len(places.unique()) == len(places) == min(number, sum(counts))
    found = torch.bincount(result.gt_inds[places], minlength=len(counts) + 1).tolist()
    assert found[0] == 0, "no background"
    if expected is None:
        assert found[1] == found[3] == 0 and sorted(found[2::2]) in ([7, 9], [8, 8])
    else:
        assert found[1:] == expected


def test_every_region_has_its_chance():
    result = assigned([30, 30])
    torch.manual_seed(0)
    times = torch.bincount(torch.cat([picked(result, 20) for _ in range(600)]), minlength=120)
    times = times[result.gt_inds > 0].float()
    assert times.mean() == 200 and (times - 200).abs().max() < 5 * (200 * 2 / 3) ** 0.5


def test_the_device_is_asked_once():
    result = assigned([100, 10, 3, 50])
    with fake_cuda() as device:
        result.gt_inds = result.gt_inds.to(device)
        with Waits() as waits:
            picked(result, 32)
    assert len(waits.found) == 1, "how many regions show an object"
