"""Filters applied, and learned by steepest descent, with gradients through all steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vovtrack.sot.models.filter_optimizers import (
    HingeOptimizer,
    LearnedMapOptimizer,
    SoftmaxOptimizer,
)
from vovtrack.sot.models.target_filter import (
    apply_filter,
    centre_cells,
    correlate_scores,
    distance_bins,
)

NAME = "optimizers.npz"


class Case:
    """The arrays of one case, without its name."""

    def __init__(self, recorded, name: str) -> None:
        self.arrays, self.name = recorded.arrays(NAME), name

    def __call__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[f"{self.name}_{key}"])

    def check(self, key: str, found: Tensor, **near: Any) -> None:
        wanted = self(key)
        near = near or dict(rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
        np.testing.assert_allclose(found.detach(), wanted, err_msg=key, **near)

    @property
    def keys(self) -> list[str]:
        start = f"{self.name}_"
        return [key[len(start) :] for key in self.arrays.files if key.startswith(start)]


@pytest.fixture
def cases(recorded):
    found = [Case(recorded, name) for name in recorded.meta(NAME)["cases"]]
    assert found
    return found


def test_filters_and_their_adjoint(cases):
    for case in cases:
        feat, start = case("feat"), case("w0")
        case.check("scores", apply_filter(feat, start))
        found = correlate_scores(feat, case("adjoint_input"), start.shape[-1])
        case.check("adjoint", found)


def test_the_adjoint_is_the_gradient():
    generator = torch.Generator().manual_seed(0)
    for size in (1, 2, 3, 4, 5):
        feat = torch.randn(2, 3, 4, 6, 7, generator=generator, dtype=torch.float64)
        weights = torch.randn(3, 4, size, size, generator=generator, dtype=torch.float64)
        weights.requires_grad_()
        scores = apply_filter(feat, weights)
        even = (size + 1) % 2
        assert scores.shape == (2, 3, 6 + even, 7 + even)
        cotangent = torch.randn(scores.shape, generator=generator, dtype=torch.float64)
        (wanted,) = torch.autograd.grad(scores, weights, cotangent)
        torch.testing.assert_close(correlate_scores(feat, cotangent, size), wanted)


def test_distances(cases):
    for case in cases:
        boxes, size = case("bb"), case("w0").shape[-1]
        wanted = case("distance_map")
        step = 7
        centres = centre_cells(boxes, 16, size).flatten(0, 1)[: len(wanted)]
        found = distance_bins(centres, wanted.shape[-2:], 100, 0.1)[:, ::step]
        case.check("distance_map", found, rtol=0, atol=1e-4)


def run(
    case: Case, kind: str, optimizer: nn.Module, target: Tensor, parameters: str = "param_"
) -> None:
    """Check all that was recorded of an optimiser."""
    for weighted in ("none", "given"):
        start = f"{kind}_{weighted}"
        feat, first = case("feat").requires_grad_(), case("w0").requires_grad_()
        weight = case("sample_weight") if weighted == "given" else None
        path = optimizer(first, feat, target, weight)
        case.check(f"{start}_iterates", path.iterates)
        case.check(f"{start}_losses", path.losses)
        assert torch.equal(path.weights, path.iterates[-1])
        if f"{start}_grad_feat" not in case.keys:
            continue
        (path.weights * case("cot")).sum().backward()
        case.check(f"{start}_grad_feat", feat.grad)
        case.check(f"{start}_grad_w0", first.grad)
        for name, parameter in optimizer.named_parameters():
            case.check(f"{start}_grad_{parameters}{name}", parameter.grad)


@pytest.mark.parametrize("setting", ["default", "perturbed"])
def test_learned_maps(cases, setting):
    for case in cases:
        optimizer = LearnedMapOptimizer()
        if setting == "perturbed":
            start = "learned_perturbed_param_"
            keys = [key for key in case.keys if key.startswith(start)]
            optimizer.load_state_dict({key[len(start) :]: case(key) for key in keys})
        size, shape = case("w0").shape[-1], case("scores").shape[-2:]
        with torch.no_grad():
            maps = optimizer.maps(case("bb"), size, shape)
        for name, found in zip(("label", "mask", "weight"), maps, strict=True):
            case.check(f"learned_{setting}_{name}", found, rtol=0, atol=1e-4)
        run(case, f"learned_{setting}", optimizer, case("bb"))


def test_hinge(cases):
    for case in cases:
        run(case, "hinge", HingeOptimizer(), case("label"), parameters="")


def test_softmax(cases):
    for case in cases:
        optimizer = SoftmaxOptimizer()
        size, shape = case("w0").shape[-1], case("scores").shape[-2:]
        case.check("softmax_label", optimizer.density(case("bb"), size, shape))
        run(case, "softmax", optimizer, case("bb"))


def test_more_steps_go_on_from_the_last(cases):
    for case in cases:
        optimizer, feat, target = HingeOptimizer(), case("feat"), case("label")
        with torch.no_grad():
            once = optimizer(case("w0"), feat, target, steps=7)
            first = optimizer(case("w0"), feat, target, steps=3)
            twice = optimizer(first.weights, feat, target, steps=4)
        assert len(once.losses) == 8 and (once.losses.diff() < 0).all()
        torch.testing.assert_close(once.weights, twice.weights, rtol=1e-4, atol=1e-6)
