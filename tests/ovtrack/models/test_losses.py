"""Association losses against recorded values, their closed forms and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from ovtrack.models import (
    MultiPosCELoss,
    PairEmbedHead,
    PairMarginL2Loss,
    UnbiasedMultiPosCELoss,
    UnbiasedSupConLoss,
)
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


def waves(rows: int, columns: int, frequency: float) -> torch.Tensor:
    """A matrix that needs no file: sines of a frequency, row by row."""
    places = torch.arange(1, rows * columns + 1, dtype=torch.double)
    return torch.sin(frequency * places).float().view(rows, columns)


@pytest.mark.parametrize(
    ("eps", "neg_margin", "track", "aux"),
    [(1e-5, 0.3, 0.5330295, 0.2749532), (0.0, 0.1, 0.5330313, 0.3093975)],
    ids=["vis4d", "original"],
)
def test_both_originals_on_a_small_pair(eps, neg_margin, track, aux):
    key, ref = waves(3, 4, 0.7), waves(5, 4, 1.3)
    same = torch.tensor([0, 1, 1])[:, None] == torch.tensor([0, 1, -1, 1, -1])
    head = PairEmbedHead(
        loss_track=dict(type="MultiPosCELoss", eps=eps),
        loss_track_aux=dict(type="PairMarginL2Loss", neg_margin=neg_margin, min_pos=1),
    )
    losses = head.pair_loss([key], [ref], [same])
    assert losses["loss_track"].item() == pytest.approx(track, abs=1e-6)
    assert losses["loss_track_aux"].item() == pytest.approx(aux, abs=1e-6)
    assert losses["positive_pairs"] == 5


def every_pair(logits: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """The multi-positive loss as it is written: every positive against every negative."""
    rows = [
        (1 + (row[None, ~mine] - row[mine][:, None]).exp().sum()).log()
        for row, mine in zip(logits, same, strict=True)
        if mine.any()
    ]
    return torch.stack(rows).mean()


def test_multi_positive_loss_is_its_formula_and_survives_large_logits():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 9, generator=generator, dtype=torch.double)
    same = torch.rand(6, 9, generator=generator) > 0.6
    same[1], same[2] = False, True
    logits.requires_grad_()
    found, expected = MultiPosCELoss(1.0)(logits, same), every_pair(logits, same)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    large = (logits.detach().float() * 1e4).requires_grad_()
    loss = MultiPosCELoss(1.0)(large, same)
    loss.backward()
    assert loss.isfinite() and large.grad.isfinite().all()


@pytest.mark.parametrize(("metric", "scale"), [("dot", 1.0), ("cosine", 1 / 6)])
def test_a_temperature_divides_what_the_head_is_told(metric, scale):
    key, ref = torch.eye(3) * 2, torch.eye(3) * 3
    same = torch.eye(3, dtype=torch.bool)
    loss = dict(type="MultiPosCELoss", loss_weight=1.0)
    aux = dict(type="PairMarginL2Loss")
    head = PairEmbedHead(loss_track=loss, loss_track_aux=aux, softmax_temp=0.5, temp_metric=metric)
    found = head.pair_loss([key], [ref], [same])["loss_track"]
    torch.testing.assert_close(found, MultiPosCELoss(1.0)(key @ ref.T * scale / 0.5, same))
    with pytest.raises(ValueError, match="cosine, dot"):
        PairEmbedHead(temp_metric="euclidean")


def test_losses_are_computed_in_float32_under_mixed_precision():
    key, ref = waves(3, 4, 0.7) * 30, waves(5, 4, 1.3) * 30
    same = torch.tensor([0, 1, 1])[:, None] == torch.tensor([0, 1, -1, 1, -1])
    head = PairEmbedHead(
        loss_track=dict(type="MultiPosCELoss"), loss_track_aux=dict(type="PairMarginL2Loss")
    )
    plain = head.pair_loss([key], [ref], [same])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = head.pair_loss([key], [ref], [same])
    assert all(torch.equal(plain[name], mixed[name]) for name in plain)


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


@pytest.mark.parametrize(
    "loss",
    [UnbiasedMultiPosCELoss(), MultiPosCELoss(), PairMarginL2Loss(), PairMarginL2Loss(min_pos=1)],
)
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


@pytest.mark.parametrize(("min_pos", "kept"), [(0, [0.7, 0.1, 0.0]), (1, [0.7, 0.1]), (2, None)])
def test_how_many_negatives_count_without_a_positive(min_pos, kept):
    cosines = torch.tensor([[0.8], [0.2], [0.1]])
    same = torch.zeros(3, 1, dtype=torch.bool)
    loss = PairMarginL2Loss(neg_pos_ub=2, min_pos=min_pos, neg_margin=0.1)(cosines, same)
    expected = torch.tensor(kept or [0.7, 0.1, 0.0]).square().mean()
    torch.testing.assert_close(loss, expected)


def test_margins_are_taken_from_the_cosines():
    cosines = torch.tensor([[0.9, 0.5], [0.3, 0.05]])
    same = torch.tensor([[True, False], [False, True]])
    loss = PairMarginL2Loss(neg_pos_ub=3, pos_margin=0.2, neg_margin=0.1)(cosines, same)
    # Positives 0.7 and 0 (clamped) shall be 1, negatives 0.4 and 0.2 shall be 0.
    torch.testing.assert_close(loss, torch.tensor([0.3, 1.0, 0.4, 0.2]).square().mean())


@pytest.mark.parametrize(
    "loss",
    [UnbiasedMultiPosCELoss(), MultiPosCELoss(), PairMarginL2Loss(), PairMarginL2Loss(min_pos=1)],
)
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
