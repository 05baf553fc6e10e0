"""What probabilities become as scores, and what scores are good for."""

from __future__ import annotations

import pytest
import torch

from detpro.models import ProbabilityScores, RepeatedSoftmaxScores

PROBABILITIES = dict(link=0.02, init=0.05, draw=0.3, distractor=0.5)


@pytest.mark.parametrize(
    ("num_classes", "threshold", "largest"),
    [(296, 0.00337037, 0.00909982), (357, 0.00279609, 0.00755670), (1203, 0.00083140, 0.00225449)],
)
def test_scores_after_the_second_softmax(num_classes, threshold, largest):
    rule = RepeatedSoftmaxScores()
    assert rule.score_of(1.0, num_classes) == pytest.approx(largest, rel=1e-4)
    assert rule.thresholds(num_classes).detect == pytest.approx(threshold, rel=1e-5)
    # One per mille above uniform is a fused probability of about one per mille, for any size.
    assert rule.score_of(0.001003, num_classes) == pytest.approx(threshold, rel=1e-4)


@pytest.mark.parametrize("num_classes", [1, 2, 10, 100, 1203])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_thresholds_mean_the_same_probability_for_every_vocabulary(num_classes, name):
    probability = PROBABILITIES[name]
    regions = torch.zeros(2, num_classes + 1, dtype=torch.double)
    regions[0, 0], regions[1, 0] = probability - 1e-6, probability + 1e-6
    for rule in (ProbabilityScores(**PROBABILITIES), RepeatedSoftmaxScores(**PROBABILITIES)):
        below, above = rule(regions)[:, 0].tolist()
        assert below < getattr(rule.thresholds(num_classes), name) < above


@pytest.mark.parametrize("rule", [ProbabilityScores(detect=0.0), RepeatedSoftmaxScores(0.0)])
@pytest.mark.parametrize("num_classes", [1, 296])
def test_by_default_nothing_is_too_weak_to_track_or_too_strong_to_be_dropped(rule, num_classes):
    generator = torch.Generator().manual_seed(0)
    regions = torch.rand(50, num_classes + 1, generator=generator)
    regions[:2] = torch.eye(num_classes + 1)[:2]
    scores, thresholds = rule(regions), rule.thresholds(num_classes)
    assert (thresholds.detect, thresholds.link, thresholds.init) == (0, 0, 0)
    assert (scores >= thresholds.link).all() and (scores <= thresholds.distractor).all()
    assert scores.max() <= rule.score_of(1.0, num_classes) * (1 + 1e-6)


def test_what_is_drawn_is_a_choice_among_the_released_scores():
    """Shown are objects, not all that passed the low threshold of detections."""
    rule = RepeatedSoftmaxScores(draw=0.05)
    thresholds = rule.thresholds(296)
    assert thresholds.detect < thresholds.draw < rule.score_of(1.0, 296)
