"""Regions of an image pair: which are picked, and which of them show the same object."""

from __future__ import annotations

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torchvision.ops import box_iou

from ovtrack.models.pairs import AssignResult, BalancedSampler, PairSampler, pairs_of
from tests.fake_cuda import fake_cuda
from tests.waits import Waits
from vovtrack.errors import InputError

ASSIGNER = dict(
    type="mmdet.MaxIoUAssigner",
    pos_iou_thr=0.7,
    neg_iou_thr=0.3,
    min_pos_iou=0.5,
    match_low_quality=False,
)
OBJECTS = torch.tensor([[0.0, 0, 40, 40], [60, 0, 100, 40], [0, 60, 40, 100]])


def make(**options) -> PairSampler:
    settings = dict(type="BalancedSampler", num=1000, neg_pos_ub=-1)
    return PairSampler(ASSIGNER, settings | options)


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


def test_objects_that_nobody_knows_match_nothing():
    pair = [image([-1, 3], OBJECTS[:2]), image([-1, 3], OBJECTS[:2])]
    _, _, (target,) = make().sample([proposals(BACKGROUND)] * 2, pair)
    assert target.long().tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]


def test_pairs_stay_apart():
    first, second = image([1], OBJECTS[:1]), image([1], OBJECTS[1:2])
    found = [proposals(BACKGROUND)] * 4
    regions, _, targets = make().sample(found, [first, first, second, second])
    assert [len(boxes) for boxes in regions] == [1, 3, 1, 3]
    assert [t.shape for t in targets] == [(1, 3), (1, 3)]
    assert torch.equal(regions[0], OBJECTS[:1]) and torch.equal(regions[2], OBJECTS[1:2])


def test_every_reference_makes_a_pair_with_the_key():
    assert pairs_of("aAbB", 2) == [("a", "A"), ("b", "B")]
    views = [image([1, 2], OBJECTS[:2]), image([2], OBJECTS[:1]), image([5, 1], OBJECTS[:2])]
    _, _, targets = make().sample([proposals(BACKGROUND)] * 6, views * 2, num_views=3)
    expected = [[[0, 0, 0], [1, 0, 0]], [[0, 1, 0, 0], [0, 0, 0, 0]]]
    assert [target.long().tolist() for target in targets] == expected * 2


def test_images_that_are_no_whole_items_are_refused():
    with pytest.raises(InputError, match="4 images has no whole items of 3: set model.num_views"):
        make().sample([proposals(BACKGROUND)] * 4, [image([1], OBJECTS[:1])] * 4, num_views=3)


@pytest.mark.parametrize(("alone", "count"), [(False, 0), (True, 2)])
def test_an_image_without_objects_gives_background_or_nothing(alone, count):
    empty = image([], torch.zeros(0, 4))
    sampler = make(neg_pos_ub=2, background_alone=alone)
    many = proposals(BACKGROUND, BACKGROUND)
    _, labels, (target,) = sampler.sample([many] * 2, [empty, empty])
    assert [own.tolist() for own in labels] == [[], [-1] * count] and target.shape == (0, count)


def assigned(counts: list[int]) -> AssignResult:
    """Regions of objects 1, 2... and as many of background, mixed."""
    owners = torch.repeat_interleave(torch.arange(len(counts)) + 1, torch.tensor(counts))
    owners = torch.cat([owners, torch.zeros_like(owners)])
    owners = owners[torch.randperm(len(owners), generator=torch.Generator().manual_seed(0))]
    return AssignResult(len(counts), owners, torch.zeros(len(owners)), torch.zeros_like(owners))


def regions(count: int, first: int = 0) -> torch.Tensor:
    """Boxes that tell their place."""
    return torch.arange(first, first + count, dtype=torch.float)[:, None].expand(-1, 4)


def pick(result: AssignResult, **options):
    """Regions of an image whose objects are the last boxes."""
    count = len(result.gt_inds)
    return BalancedSampler(**options).sample(
        result,
        InstanceData(priors=regions(count)),
        InstanceData(bboxes=regions(result.num_gts, first=count)),
    )


@pytest.mark.parametrize(
    ("counts", "number", "expected"),
    [
        ([4, 3], 10, [5, 4]),
        ([100, 9, 3], 32, [18, 10, 4]),  # 10 of each, 8 more from the only one left
        ([100, 40], 16, [8, 8]),
    ],
)
def test_objects_are_picked_equally_often(counts, number, expected):
    result = assigned(counts)
    torch.manual_seed(0)
    found = pick(result, num=2 * number)
    places = found.pos_priors[:, 0].long()
    assert len(places.unique()) == len(places) == min(number, sum(counts) + len(counts))
    shown = torch.cat([result.gt_inds, torch.arange(len(counts)) + 1])[places]
    assert torch.equal(found.pos_assigned_gt_inds, shown - 1)
    picked = torch.bincount(found.pos_assigned_gt_inds, minlength=len(counts)).tolist()
    assert picked == expected


def test_every_region_has_its_chance():
    result = assigned([29, 29])
    torch.manual_seed(0)
    places = torch.cat([pick(result, num=40).pos_priors[:, 0].long() for _ in range(600)])
    times = torch.bincount(places, minlength=118)
    times = times[torch.cat([result.gt_inds, torch.ones(2)]) > 0].float()
    assert times.mean() == 200 and (times - 200).abs().max() < 5 * (200 * 2 / 3) ** 0.5


def ordered(num_pos: int, num_neg: int, before: int = 0) -> AssignResult:
    """``before`` background, then objects, then background of growing overlap."""
    owners = torch.cat([torch.zeros(before), torch.ones(num_pos), torch.zeros(num_neg)]).long()
    overlaps = torch.cat(
        [torch.zeros(before), torch.full((num_pos,), 0.8), torch.linspace(0, 0.3, num_neg)]
    )
    return AssignResult(1, owners, overlaps, torch.zeros_like(owners))


def test_positives_come_first_and_background_fills_up():
    found = pick(ordered(99, 900))
    assert (len(found.pos_priors), len(found.neg_priors)) == (100, 156)
    assert [len(part) for part in pick(ordered(9, 900))] == [10, 10, 30], "3 negatives for each"


@pytest.mark.parametrize("num_bins", [1, 3])
def test_background_is_drawn_from_bins_of_its_overlap(num_bins):
    torch.manual_seed(0)
    result = ordered(29, 1000)
    # Nearly all background is far from every object.
    result.max_overlaps[29:-40] = 0.01
    places = pick(result, num=120, num_bins=num_bins).neg_priors[:, 0].long()
    assert len(places.unique()) == len(places) == 90
    near = (result.max_overlaps[places] > 0.1).sum()
    assert near >= 30 if num_bins == 3 else near < 20


def test_background_without_any_overlap_is_drawn_too():
    result = ordered(9, 100)
    result.max_overlaps[9:] = 0
    assert len(pick(result, num_bins=3).neg_priors) == 30


def test_the_released_mistake_takes_places_among_positives_for_places_of_regions():
    torch.manual_seed(0)
    right = pick(ordered(200, 100, before=300))
    assert (len(right.pos_priors), len(right.neg_priors)) == (128, 128)
    assert (right.pos_priors[:, 0] >= 300).all()
    wrong = pick(ordered(200, 100, before=300), released_positives=True)
    assert (len(wrong.pos_priors), len(wrong.neg_priors)) == (0, 256)
    assert (wrong.neg_priors[:128, 0] < 201).all(), "as many as there are positives"
    few = pick(ordered(100, 100, before=300), released_positives=True)
    assert len(few.pos_priors) == 101, "without a choice nothing goes wrong"


def test_the_device_is_asked_once():
    result = assigned([100, 10, 3, 50])
    with fake_cuda() as device:
        result.gt_inds = result.gt_inds.to(device)
        result.max_overlaps = result.max_overlaps.to(device)
        priors = InstanceData(priors=regions(len(result.gt_inds)).to(device))
        objects = InstanceData(bboxes=regions(4).to(device))
        with Waits() as waits:
            BalancedSampler(num=64, num_bins=3).sample(result, priors, objects)
    assert len(waits.found) == 1, "how many regions show an object, and how many none"
