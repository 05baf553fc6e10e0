"""Parts that wait less for the device give what mmdet's give."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.layers import multiclass_nms
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmengine.config import ConfigDict
from torchvision.ops import nms

import detpro.models.postprocess as postprocess
from detpro.models import DeltaBoxCoder, PreciseRoIExtractor, ProposalHead

SHAPE = (96, 128)
SIZES = [(24, 32), (12, 16), (6, 8), (3, 4)]
STRIDES = [4, 8, 16, 32]


def random_boxes(count: int, seed: int, height: int = SHAPE[0], width: int = SHAPE[1]):
    generator = torch.Generator().manual_seed(seed)
    ends = torch.rand(count, 2, 2, generator=generator) * torch.tensor([width, height])
    return torch.cat([ends.amin(dim=1), ends.amax(dim=1)], dim=1)


def build_rpn(head: type, min_bbox_size: float) -> RPNHead:
    torch.manual_seed(0)
    return head(
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(
            type="AnchorGenerator", scales=[8], ratios=[0.5, 1.0, 2.0], strides=STRIDES
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        test_cfg=ConfigDict(
            nms_pre=200, max_per_img=150, nms=dict(iou_threshold=0.7), min_bbox_size=min_bbox_size
        ),
    )


@pytest.mark.parametrize("min_bbox_size", [-1, 0, 20])
@pytest.mark.parametrize("rescale", [False, True])
def test_proposals_are_those_of_mmdet(min_bbox_size, rescale):
    generator = torch.Generator().manual_seed(1)
    metas = [dict(img_shape=(90, 120), scale_factor=(2.0, 1.5)), dict(img_shape=SHAPE)]
    metas[1]["scale_factor"] = (1.0, 1.0)
    scores, deltas = (
        [torch.randn(2, 3 * n, *size, generator=generator) for size in SIZES] for n in (1, 4)
    )
    ours, theirs = (
        build_rpn(head, min_bbox_size).predict_by_feat(
            scores, deltas, batch_img_metas=metas, rescale=rescale
        )
        for head in (ProposalHead, RPNHead)
    )
    for own, other in zip(ours, theirs, strict=True):
        assert len(own) == len(other) > 20
        for name in ("bboxes", "scores", "labels"):
            torch.testing.assert_close(own[name], other[name], rtol=0, atol=1e-5)


def test_proposals_of_mixed_precision_keep_the_pixels_of_anchors():
    head = build_rpn(ProposalHead, -1)
    sizes = [(4 * h, 4 * w) for h, w in SIZES]
    maps = [torch.zeros(1, 3, *size, dtype=torch.bfloat16) for size in sizes]
    deltas = [torch.zeros(1, 12, *size, dtype=torch.bfloat16) for size in sizes]
    (found,) = head.predict_by_feat(maps, deltas, batch_img_metas=[dict(img_shape=(384, 512))])
    whole = torch.cat(head.prior_generator.grid_priors(sizes, device="cpu"))
    inside = torch.stack([whole[:, 0::2].clamp(0, 512), whole[:, 1::2].clamp(0, 384)], dim=2)
    distances = (found.bboxes[:, None] - inside.flatten(1)).abs().amax(dim=2)
    assert distances.amin(dim=1).max() < 1e-3


@pytest.mark.parametrize("clip_border", [True, False])
def test_boxes_are_decoded_as_by_mmdet(clip_border):
    boxes = random_boxes(50, seed=0)
    deltas = torch.randn(50, 4, generator=torch.Generator().manual_seed(2)) * 5
    ours, theirs = (
        coder(
            target_means=(0, 0.1, 0, 0.2), target_stds=(0.1, 0.2, 0.3, 1), clip_border=clip_border
        )
        for coder in (DeltaBoxCoder, DeltaXYWHBBoxCoder)
    )
    expected = theirs.decode(boxes, deltas, max_shape=SHAPE)
    assert torch.equal(ours.decode(boxes, deltas, max_shape=SHAPE), expected)
    expected = theirs.decode(boxes, deltas)
    assert torch.equal(ours.decode(boxes, deltas), expected)


@pytest.mark.parametrize(("sampling_ratio", "levels"), [(0, 4), (2, 4), (2, 2), (2, 1)])
def test_regions_are_pooled_as_by_mmdet(sampling_ratio, levels):
    generator = torch.Generator().manual_seed(0)
    feats = [torch.randn(2, 8, *size, generator=generator) for size in SIZES[:levels]]
    boxes = torch.cat([random_boxes(80, seed=3), torch.tensor([[0.0, 0, 128, 96], [0, 0, 1, 1]])])
    rois = torch.cat([torch.arange(len(boxes))[:, None] % 2, boxes], dim=1)
    config = dict(
        roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=sampling_ratio),
        out_channels=8,
        featmap_strides=STRIDES[:levels],
        finest_scale=9,
    )
    theirs, ours = SingleRoIExtractor(**config), PreciseRoIExtractor(**config)
    assert len(theirs.map_roi_levels(rois, levels).unique()) == levels
    expected = theirs(feats, rois)
    for maps in (
        feats,
        ours.prepare(feats),
        [f.to(memory_format=torch.channels_last) for f in feats],
    ):
        torch.testing.assert_close(ours(maps, rois), expected, rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_level():
    generator = torch.Generator().manual_seed(0)
    rois = torch.cat([torch.zeros(80, 1), random_boxes(80, seed=3)], dim=1)
    gradients = []
    for extractor in (SingleRoIExtractor, PreciseRoIExtractor):
        feats = [torch.ones(1, 4, *size, requires_grad=True) for size in SIZES]
        layer = dict(type="RoIAlign", output_size=3, sampling_ratio=2)
        pool = extractor(layer, out_channels=4, featmap_strides=STRIDES, finest_scale=9)
        weights = torch.randn(80, 4, 3, 3, generator=generator.manual_seed(0))
        (pool(feats, rois) * weights).sum().backward()
        gradients.append([feat.grad for feat in feats])
    for theirs, ours in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_box_beyond_the_input_does_not_see_another_level():
    feats = [torch.full((1, 2, *size), float(level)) for level, size in enumerate(SIZES)]
    layer = dict(type="RoIAlign", output_size=3, sampling_ratio=2)
    pool = PreciseRoIExtractor(layer, out_channels=2, featmap_strides=STRIDES)
    rois = torch.tensor([[0, 100.0, 70, 160, 130], [0, -30, -30, 20, 20]])
    assert (pool(feats, rois) == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_suppression_among_valid_boxes(seed):
    generator = torch.Generator().manual_seed(seed)
    boxes = random_boxes(200, seed, 20, 20)
    # Few different scores: ties go to the first, as in the operator itself.
    scores = torch.randint(0, 9, (200,), generator=generator) / 10
    valid = torch.rand(200, generator=generator) < 0.7
    chosen = valid.nonzero()[:, 0]
    expected = chosen[nms(boxes[chosen], scores[chosen], 0.5)]
    assert torch.equal(postprocess.nms_where(valid, boxes, scores, 0.5), expected)


def test_suppression_of_nothing():
    boxes, none = random_boxes(4, 0), torch.zeros(4, dtype=torch.bool)
    assert len(postprocess.nms_where(none, boxes, torch.rand(4), 0.5)) == 0
    assert len(postprocess.nms_where(none[:0], boxes[:0], torch.rand(0), 0.5)) == 0


@pytest.mark.parametrize("at_first", [5, 60, 10_000])
@pytest.mark.parametrize("max_per_img", [10, 500])
def test_suppression_inside_classes_is_that_of_mmdet(at_first, max_per_img, monkeypatch):
    monkeypatch.setattr(postprocess, "PAIRS_AT_FIRST", at_first)
    boxes = random_boxes(40, 1, 30, 30)
    scores = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))
    with_background = torch.cat([scores, torch.zeros(40, 1)], dim=1)
    dets, labels, places = multiclass_nms(
        boxes, with_background, 0.3, dict(type="nms", iou_threshold=0.5), max_per_img,
        return_inds=True,
    )  # fmt: skip
    found, regions = postprocess.classwise_nms(boxes, scores, 0.3, 0.5, max_per_img)
    assert torch.equal(found.labels, labels) and torch.equal(regions, places // 6)
    assert torch.equal(found.bboxes, dets[:, :4]) and torch.equal(found.scores, dets[:, 4])
