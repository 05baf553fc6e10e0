"""Score fusion, derived thresholds and the short form of class-agnostic suppression."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.ops import nms

from detpro.models.fusion import GeometricScoreFusion
from detpro.models.postprocess import best_class_nms, classwise_nms
from detpro.models.thresholds import VocabularyThresholds, score_of_probability
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


@pytest.mark.parametrize(
    ("num_classes", "uniform_threshold", "largest"),
    [(296, 0.00337037, 0.00909982), (357, 0.00279609, 0.00755670), (1203, 0.00083140, 0.00225449)],
)
def test_scores_after_the_second_softmax(num_classes, uniform_threshold, largest):
    assert score_of_probability(1.0, num_classes) == pytest.approx(largest, rel=1e-4)
    # One per mille above uniform is a fused probability of about one per mille, for any size.
    assert score_of_probability(0.001003, num_classes) == pytest.approx(uniform_threshold, rel=1e-4)


@pytest.mark.parametrize("num_classes", [1, 10, 100, 1203])
def test_thresholds_mean_the_same_probability_for_every_vocabulary(num_classes):
    thresholds = VocabularyThresholds(detect=0.001, match=0.02, init=0.05, draw=0.3)
    for score, probability in zip(
        thresholds.resolve(num_classes), thresholds.probabilities, strict=True
    ):
        region = torch.zeros(num_classes + 1, dtype=torch.double)
        region[0] = probability
        assert float(region.softmax(0)[0]) == pytest.approx(score, rel=1e-9)
        assert math.isfinite(score)
