"""The cycle loss equals the recorded one and a loop over pairs and triples."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ovtrack.models import CycleConsistencyLoss
from tests.fake_cuda import fake_cuda
from tests.waits import Waits
from vovtrack.errors import InputError


def frames(sizes, dims=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, dims, generator=generator).requires_grad_() for n in sizes]


def round_trip(similarity, margin=0.5):
    """The formula for one cycle, written plainly."""
    if similarity.shape[0] < similarity.shape[1]:
        similarity = similarity.T
    rows, columns = similarity.shape

    def assign(matrix):
        if matrix.shape[1] == 0:
            return matrix
        return torch.softmax(matrix * 10 * math.log(max(matrix.shape[1], 1)), dim=1)

    returned = assign(similarity) @ assign(similarity.T)
    home = returned.diagonal()
    others = returned - torch.diag(home)
    total = (others.max(dim=1).values + margin - home).clamp(min=0).sum()
    total = total + (others.max(dim=0).values + margin - home).clamp(min=0).sum()
    return total / (2 * rows)


def by_loop(embeds, terms=("pair", "triple")):
    unit = [F.normalize(rows, dim=1) for rows in embeds]
    pairs = list(itertools.combinations(range(len(unit)), 2))
    total = 0.0
    if "pair" in terms:
        total = total + sum(round_trip(unit[i] @ unit[j].T) for i, j in pairs) / len(pairs)
    triples = [(i, j, k) for i, j in pairs for k in range(len(unit)) if k not in (i, j)]
    if "triple" in terms and triples:
        through = [unit[i] @ unit[k].T @ (unit[k] @ unit[j].T) for i, j, k in triples]
        total = total + sum(map(round_trip, through)) / len(triples)
    return total


def test_recorded_values_and_gradients(golden):
    recorded = golden("losses.npz")
    embeds = [torch.from_numpy(recorded[f"cycle_feat{i}"]).requires_grad_() for i in range(4)]
    for terms, name in (
        (("pair",), "cycle_pairwise"),
        (("triple",), "cycle_triplewise"),
        (("pair", "triple"), "cycle_pairwise_triplewise"),
    ):
        loss = CycleConsistencyLoss(terms=terms)(embeds)
        assert loss.item() == pytest.approx(float(recorded[name]), abs=1e-5)
    for i, grad in enumerate(torch.autograd.grad(loss, embeds)):
        assert (grad - torch.from_numpy(recorded[f"cycle_grad{i}"])).abs().max() < 1e-7


@pytest.mark.parametrize(
    "sizes", [[5, 8, 3, 8], [12, 9, 11, 10, 7, 6, 5, 3], [1, 4, 2], [2, 2], [1, 1, 1], [30] * 8]
)
def test_equals_the_loop(sizes):
    embeds = frames(sizes)
    loss, expected = CycleConsistencyLoss()(embeds), by_loop(embeds)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    ours, theirs = torch.autograd.grad(loss, embeds), torch.autograd.grad(expected, embeds)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 6), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_any_sizes_give_a_finite_loss_that_order_cannot_change(sizes, seed):
    embeds = frames(sizes, seed=seed)
    for start in ("larger", "smaller"):
        loss = CycleConsistencyLoss(start=start)
        value = loss(embeds)
        grads = torch.autograd.grad(value, embeds)
        assert value.isfinite() and all(grad.isfinite().all() for grad in grads)
        mixed = [rows[torch.randperm(len(rows))] for rows in embeds]
        assert loss(mixed).item() == pytest.approx(value.item(), abs=1e-5)


def test_one_empty_frame_is_a_constant_when_the_larger_starts():
    full = frames([3, 0])
    pair = CycleConsistencyLoss(terms=("pair",))(full)
    assert pair.item() == pytest.approx(0.5)
    assert not torch.autograd.grad(pair, full[0])[0].any()
    assert CycleConsistencyLoss(terms=("pair",), start="smaller")(full).item() == 0


def test_nobody_walks_through_an_empty_frame_when_the_smaller_starts():
    """Of the triples of three frames only the one through the empty frame has start and end."""
    embeds = frames([3, 0, 4])
    loss = CycleConsistencyLoss(terms=("triple",), start="smaller")(embeds)
    assert loss.item() == 0
    assert not any(grad.any() for grad in torch.autograd.grad(loss, embeds))
    everyone = CycleConsistencyLoss(terms=("triple",), start="smaller")(frames([3, 2, 4]))
    assert everyone.item() > 0


def test_nothing_is_fetched_from_the_device():
    embeds = [rows.detach() for rows in frames([5, 8, 3, 0, 8])]
    with fake_cuda() as device:
        on_device = [rows.to(device).requires_grad_() for rows in embeds]
        with Waits() as waits:
            loss = CycleConsistencyLoss()(on_device)
            torch.autograd.grad(loss, on_device)
        value = loss.item()
    assert waits.found == []
    assert value == pytest.approx(CycleConsistencyLoss()(embeds).item())


def test_nothing_to_compare_is_zero_with_a_graph():
    for sizes in ([0, 0], [0, 0, 0], [1, 0, 0], [3]):
        embeds = frames(sizes)
        loss = CycleConsistencyLoss(start="smaller")(embeds)
        assert loss.item() == 0
        loss.backward()


def test_orthonormal_objects_return_unless_the_other_frame_lacks_them():
    same = torch.eye(6)
    assert CycleConsistencyLoss(terms=("pair",))([same, same]).item() < 1e-4
    fewer = [same, same[:3]]
    assert CycleConsistencyLoss(terms=("pair",))(fewer).item() == pytest.approx(1 / 3, abs=2e-2)
    assert CycleConsistencyLoss(terms=("pair",), start="smaller")(fewer).item() < 1e-4


def test_half_precision_is_computed_in_single():
    embeds = [rows.detach().bfloat16() for rows in frames([5, 8, 3])]
    loss = CycleConsistencyLoss()(embeds)
    assert loss.dtype == torch.float32
    assert loss.item() == CycleConsistencyLoss()([rows.float() for rows in embeds]).item()


def test_unknown_choices():
    with pytest.raises(InputError, match="terms"):
        CycleConsistencyLoss(terms=("quadruple",))
    with pytest.raises(InputError, match="start"):
        CycleConsistencyLoss(start="first")
