"""Score fusion and the short form of class-agnostic suppression."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import nms

from detpro.models.fusion import GeometricScoreFusion
from detpro.models.postprocess import best_class_nms, classwise_nms
from vovtrack.errors import InputError
from vovtrack.structures import Vocabulary


def test_fusion_is_the_weighted_geometric_mean():
    torch.manual_seed(0)
    vocabulary = Vocabulary.load("tao_validation")
    logits = torch.randn(2, 7, len(vocabulary) + 1, dtype=torch.double) * 3
    logits[1, :, -1] = -torch.inf  # nothing but the classes competes in the image branch
    fusion = GeometricScoreFusion(novel_mask="novel")
    fused = fusion(*logits, fusion.text_weights(vocabulary).double())
    text = logits[0].softmax(1)
    image = logits[1].softmax(1)
    novel = torch.tensor(vocabulary.novel)
    expected = torch.where(
        novel,
        image[:, :-1] ** (2 / 3) * text[:, :-1] ** (1 / 3),
        text[:, :-1] ** (2 / 3) * image[:, :-1] ** (1 / 3),
    )
    torch.testing.assert_close(fused[:, :-1], expected, rtol=1e-6, atol=1e-12)
    assert (fused[:, -1] == 0).all()


def test_released_mask_differs_from_the_true_one():
    vocabulary = Vocabulary.load("tao_validation")
    released, true = (
        GeometricScoreFusion(novel_mask=kind).text_weights(vocabulary)
        for kind in ("released", "novel")
    )
    assert int((released != true).sum()) == 93


def test_users_own_words_have_no_released_mask_and_count_as_base():
    weights = GeometricScoreFusion(novel_mask="released").text_weights(Vocabulary.load(["a", "b"]))
    torch.testing.assert_close(weights, torch.full((3,), 2 / 3))


def test_unknown_mask_is_refused():
    with pytest.raises(InputError, match="legacy"):
        GeometricScoreFusion(novel_mask="legacy")


@pytest.mark.parametrize("seed", range(5))
def test_best_class_nms_equals_suppression_over_all_pairs(seed):
    generator = torch.Generator().manual_seed(seed)
    n, c, thr = 60, 9, 0.12
    corners = torch.rand(n, 2, generator=generator) * 80
    bboxes = torch.cat([corners, corners + 10 + torch.rand(n, 2, generator=generator) * 40], 1)
    scores = torch.randn(n, c, generator=generator).softmax(1)
    flat = scores.reshape(-1)
    pairs = (flat > thr).nonzero()[:, 0]
    kept = pairs[nms(bboxes[pairs // c], flat[pairs], 0.5)][:20]
    dets, regions = best_class_nms(bboxes, scores, thr, 0.5, 20)
    assert dets.labels.tolist() == (kept % c).tolist()
    assert torch.equal(dets.bboxes, bboxes[kept // c])
    assert torch.equal(dets.scores, flat[kept])


def test_classwise_nms_may_report_a_region_twice():
    boxes, scores = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.6, 0.4]])
    dets, regions = classwise_nms(boxes, scores, 0.1, 0.5, 10)
    assert regions.tolist() == [0, 0]
    assert dets.labels.tolist() == [0, 1]


@pytest.mark.parametrize("suppress", [best_class_nms, classwise_nms])
def test_a_score_at_the_threshold_is_left_out(suppress):
    boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    scores = torch.tensor([[0.5, 0.125], [0.25, 0.125]])
    dets, regions = suppress(boxes, scores, 0.25, 0.5, 10)
    assert dets.scores.tolist() == [0.5] and regions.tolist() == [0]
