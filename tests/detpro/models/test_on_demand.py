"""The image branch describes only regions that decide, and the detections stay the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from detpro.models.fusion import GeometricScoreFusion
from detpro.models.postprocess import best_class_nms, best_class_nms_on_demand
from detpro.models.roi_head import OpenVocabHead
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

METAS = [dict(img_shape=(96, 128), scale_factor=(2.0, 2.0))] * 2


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(0, 60),
    steps=st.sampled_from([4, 1000]),
    max_per_img=st.integers(1, 12),
)
def test_suppression_with_bounds_is_suppression_with_scores(seed, count, steps, max_per_img):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 30
    boxes = torch.cat([corners, corners + 5 + torch.rand(count, 2, generator=generator) * 15], 1)
    # Few different scores: ties between scores and bounds, too.
    scores = torch.randint(0, steps, (count, 3), generator=generator) / steps
    slack = torch.randint(0, steps, (count,), generator=generator) / steps
    bounds = torch.maximum(slack, scores.amax(dim=1) if count else slack)
    asked = []

    def judge(rows):
        asked.extend(rows.tolist())
        return scores[rows]

    expected, regions = best_class_nms(boxes, scores, 0.2, 0.5, max_per_img)
    found, kept = best_class_nms_on_demand(boxes, bounds, judge, 0.2, 0.5, max_per_img)
    assert torch.equal(kept, regions)
    for name, value in expected.items():
        assert torch.equal(found[name], value)
    assert len(asked) == len(set(asked)), "a region is judged once"
    assert all(bounds[row] > 0.2 for row in asked)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), sure=st.floats(0.1, 30))
def test_no_image_branch_lifts_a_probability_above_its_bound(seed, sure):
    generator = torch.Generator().manual_seed(seed)
    text, image = torch.randn(2, 50, 7, generator=generator) * sure
    image[::2, -1] = -torch.inf
    weights = torch.tensor([1 / 3, 2 / 3])[torch.randint(0, 2, (7,), generator=generator)]
    fusion = GeometricScoreFusion()
    bounds = fusion.bounds(text, weights)
    assert (fusion(text, image, weights).amax(dim=1) <= bounds * (1 + 1e-6)).all()
    # It is the smallest bound: an image branch that is sure of one class reaches it.
    certain = torch.full((50, 7), -1e4)
    best = (weights[:-1] * torch.log_softmax(text, dim=1)[:, :-1]).argmax(dim=1)
    certain[torch.arange(50), best] = 0
    torch.testing.assert_close(fusion(text, certain, weights).amax(dim=1), bounds)


def make_head(repo_root, **options) -> OpenVocabHead:
    """A small head of two branches, whose text branch tells regions apart."""
    cfg = load_config(repo_root / "configs/mini/detector.py").model
    cfg.roi_head.bbox_head.image_branch = True
    given = dict(fusion=dict(type="GeometricScoreFusion"), test_cfg=cfg.test_cfg.rcnn) | options
    torch.manual_seed(0)
    head = MODELS.build(ConfigDict({**cfg.roi_head, **given}))
    for branch in (head.bbox_head.text_branch, head.bbox_head.image_branch):
        torch.nn.init.normal_(branch.fc.bias, std=0.1)
    head.classifier.competitors = []
    return head.eval()


@pytest.mark.parametrize(
    ("options", "some_wait"),
    [
        (dict(score_rule=dict(type="RepeatedSoftmaxScores")), True),
        (dict(score_rule=dict(type="ProbabilityScores", detect=0.05)), True),
        (dict(score_rule=dict(type="ProbabilityScores", detect=0.1)), True),
        (dict(fusion=dict(type="GeometricScoreFusion", fixed_text_weight=0.3)), True),
        # An image branch that is never sure stays far below the bounds: all regions are asked for.
        (dict(fusion=dict(type="GeometricScoreFusion", image_temperature=0.1)), False),
    ],
)
@torch.no_grad()
def test_detections_are_the_same(repo_root, options, some_wait):
    head = make_head(repo_root, **options)
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(2, 100, 2, generator=generator) * torch.tensor([90.0, 60])
    sides = 6 + torch.rand(2, 100, 2, generator=generator) * 30
    proposals = [InstanceData(bboxes=b) for b in torch.cat([corners, corners + sides], dim=2)]
    feats = [torch.randn(2, 64, 96 // s, 128 // s, generator=generator) for s in (4, 8, 16, 32)]
    embeds = head.describe(feats, torch.cat([torch.zeros(100, 1), proposals[0].bboxes], 1))
    # Classes that some regions look like, and novel ones among them.
    names = Vocabulary.load(repo_root / "configs/mini/vocabulary.json")
    rows = torch.randint(0, 100, (len(names),), generator=generator)
    head.set_vocabulary(names, embeds.text_embeds[rows] + 0.1 * embeds.image_embeds[rows])
    head.classifier.competitors = []
    passed = []
    head.bbox_head.image_branch.register_forward_hook(lambda *args: passed.append(len(args[2][1])))
    expected = OpenVocabHead.detect(head, feats, proposals, METAS, rescale=True)
    assert passed == [200]
    passed.clear()
    found = head.detect(feats, proposals, METAS, rescale=True)
    assert (0 < sum(passed) < 200) if some_wait else (sum(passed) == 200)
    for ours, theirs in zip(found, expected, strict=True):
        assert len(theirs) > 0
        assert ours.labels.tolist() == theirs.labels.tolist()
        for name in ("bboxes", "scores", "probabilities"):
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-6)


def test_all_regions_pass_where_batch_statistics_count_them(repo_root):
    head = make_head(repo_root)
    assert head._image_branch_can_wait()
    head.train()
    assert not head._image_branch_can_wait()
