"""Association losses against recorded values, their closed forms and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from ovtrack.models import PairMarginL2Loss, UnbiasedMultiPosCELoss, UnbiasedSupConLoss
from ovtrack.similarity import cosine_similarity
from tests.fake_cuda import fake_cuda
from tests.waits import Waits


@pytest.fixture
def recorded(golden):
    return {k: torch.from_numpy(v) for k, v in golden("losses.npz").items() if "track" in k}


def test_recorded_losses(recorded):
    key, ref, same = recorded["track_key"], recorded["track_ref"], recorded["track_target"].bool()
    loss = UnbiasedMultiPosCELoss(loss_weight=0.25)(key @ ref.T, same)
    torch.testing.assert_close(loss, recorded["loss_track"].float().squeeze(), rtol=1e-5, atol=1e-6)
    aux = PairMarginL2Loss(neg_pos_ub=3, neg_margin=0.1)(cosine_similarity(key, ref), same)
    torch.testing.assert_close(
        aux, recorded["loss_track_aux"].float().squeeze(), rtol=1e-5, atol=1e-6
    )


def test_unbiased_loss_is_its_formula_and_survives_large_logits():
    logits = torch.tensor([[2.0, -1.0, 0.5, 3.0]], dtype=torch.double, requires_grad=True)
    same = torch.tensor([[True, False, True, False]])
    loss = UnbiasedMultiPosCELoss(1.0)(logits, same)
    z = logits.detach()[0]
    pos, neg = z[[0, 2]], z[[1, 3]]
    expected = (neg.exp().sum() + pos.exp().mean()).log() - pos.mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    loss.backward()
    assert logits.grad.sum().abs() < 1e-6
    assert UnbiasedMultiPosCELoss(1.0)(logits.detach() * 1e4, same).isfinite()


def test_class_contrast_is_its_formula():
    embeds = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    labels = torch.tensor([3, 1, 3, 2, 1, 3, 0])
    found = UnbiasedSupConLoss(temperature=0.5, base_temperature=0.25)(embeds, labels)
    kept = [i for i in range(7) if (labels == labels[i]).sum() > 1]
    terms = []
    for i in kept:
        z = {j: float(embeds[i] @ embeds[j]) / 0.5 for j in kept if j != i}
        positive = [z[j] for j in z if labels[j] == labels[i]]
        negative = [math.exp(z[j]) for j in z if labels[j] != labels[i]]
        mean = sum(map(math.exp, positive)) / len(positive)
        terms.append(math.log(sum(negative) + mean) - sum(positive) / len(positive))
    assert float(found) == pytest.approx(2 * sum(terms) / len(terms), rel=1e-6)


@pytest.mark.parametrize("labels", [[], [1], [1, 2, 3]])
def test_class_contrast_without_a_pair_is_zero_with_graph(labels):
    embeds = torch.rand(len(labels), 4, requires_grad=True)
    loss = UnbiasedSupConLoss()(embeds, torch.tensor(labels, dtype=torch.long))
    loss.backward()
    assert loss == 0 and embeds.grad is not None


@pytest.mark.parametrize("loss", [UnbiasedMultiPosCELoss(), PairMarginL2Loss()])
@pytest.mark.parametrize("shape", [(3, 5), (0, 5), (3, 0)])
def test_pairs_without_a_common_object_give_a_finite_loss_with_graph(loss, shape):
    similarity = torch.rand(shape, requires_grad=True)
    value = loss(similarity, torch.zeros(shape, dtype=torch.bool))
    value.backward()
    assert value.isfinite() and similarity.grad.isfinite().all()


def test_hard_mining_keeps_the_worst_negatives():
    cosines = torch.tensor([[0.9, 0.8, 0.2, 0.15, 0.12]])
    same = torch.tensor([[True, False, False, False, False]])
    loss = PairMarginL2Loss(neg_pos_ub=2, neg_margin=0.1)(cosines, same)
    torch.testing.assert_close(loss, torch.tensor([0.1, 0.7, 0.1]).square().mean())


def test_margins_are_taken_from_the_cosines():
    cosines = torch.tensor([[0.9, 0.5], [0.3, 0.05]])
    same = torch.tensor([[True, False], [False, True]])
    loss = PairMarginL2Loss(neg_pos_ub=3, pos_margin=0.2, neg_margin=0.1)(cosines, same)
    # Positives 0.7 and 0 (clamped) shall be 1, negatives 0.4 and 0.2 shall be 0.
    torch.testing.assert_close(loss, torch.tensor([0.3, 1.0, 0.4, 0.2]).square().mean())


@pytest.mark.parametrize("loss", [UnbiasedMultiPosCELoss(), PairMarginL2Loss()])
def test_nothing_is_fetched_from_the_device(loss):
    generator = torch.Generator().manual_seed(0)
    similarity = torch.rand(6, 9, generator=generator)
    same = torch.rand(6, 9, generator=generator) > 0.8
    same[2] = False
    with fake_cuda() as device:
        rows = similarity.to(device).requires_grad_()
        targets = same.to(device)
        with Waits() as waits:
            value = loss(rows, targets)
            torch.autograd.grad(value, rows)
        value = value.item()
    assert waits.found == []
    assert value == pytest.approx(loss(similarity, same).item())
