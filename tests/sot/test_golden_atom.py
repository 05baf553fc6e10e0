"""ATOM's network of boxes and its filter, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.seeded import normal
from tests.sot.networks import seeded
from vovtrack.sot.models.conjugate_filter import FilterFit, apply_same, soft_floor
from vovtrack.sot.models.conjugate_gradient import ConjugateGradient, Linearized
from vovtrack.sot.models.keys import DIMP_KEYS

NAME = "atom.npz"
FORMULAS = {"pr": "polak-ribiere", "fr": "fletcher-reeves"}


class Golden:
    """The arrays of the file."""

    def __init__(self, recorded) -> None:
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)

    def __call__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def check(self, key: str, found: Tensor, near: float = 1e-4) -> None:
        wanted = self.arrays[key]
        assert tuple(found.shape) == wanted.shape, key
        atol = near * np.abs(wanted).max()
        np.testing.assert_allclose(found.detach(), wanted, rtol=near, atol=atol, err_msg=key)

    @property
    def data(self) -> tuple[Tensor, Tensor]:
        """What all samples are to score, and how much each counts."""
        return self("joint_y"), self("joint_weights")


@pytest.fixture(scope="module")
def golden(recorded):
    return Golden(recorded)


def test_overlap_and_its_loss(golden, recorded):
    net = seeded(recorded, "atom")
    side, (frames, sequences) = golden.meta["image"], golden.arrays["train_anno"].shape[:2]
    images = [
        normal((frames, sequences, 3, side, side), recorded.salt, "atom", kind)
        for kind in ("train", "test")
    ]
    boxes = golden("test_proposals").requires_grad_()
    truth = dict(
        train_boxes=golden("train_anno"),
        test_boxes=golden("train_anno"),
        test_proposals=boxes,
        test_overlap=golden("proposal_iou"),
    )
    net.losses.register_forward_hook(lambda *call: golden.check("iou_pred", call[1][0]))
    loss = net.learn(*images, truth)["loss_box"]
    golden.check("loss", loss)
    loss.backward()
    golden.check("grad_proposals", boxes.grad, near=1e-3)
    own = {key: value.grad for key, value in net.iou_net.named_parameters(prefix="iou_net")}
    norms = {DIMP_KEYS.translate(k)[0]: norm for k, norm in golden.meta["grad_norms"].items()}
    assert norms.keys() == own.keys()
    for key, norm in norms.items():
        assert own[key].norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), key


def test_scores(golden):
    golden.check("mlu_out", soft_floor(golden("mlu_in"), 0.05))
    golden.check("conv_same", apply_same(golden("update_samples"), golden("joint_filters")[-1]))


def test_the_first_frame(golden):
    fit, (label, weight) = FilterFit(), golden.data
    wanted = golden("joint_filters")
    weights, projection = torch.zeros_like(wanted[0]), golden("joint_P0")
    filters, projections, losses = [], [], []
    for _ in range(len(wanted) + 1):
        projected = torch.nn.functional.conv2d(golden("joint_x"), projection)
        own = fit.projection_weight * projection.square().sum()
        losses.append(fit.loss(projected, label, weight, weights) + own)
        if len(filters) < len(wanted):
            weights, projection = fit.begin(
                golden("joint_x"), label, weight, weights, projection, steps=1
            )
            filters.append(weights)
            projections.append(projection)
    golden.check("joint_filters", torch.stack(filters), near=1e-3)
    golden.check("joint_projections", torch.stack(projections), near=1e-3)
    golden.check("joint_losses", torch.stack(losses))
    at_once = fit.begin(
        golden("joint_x"),
        label,
        weight,
        torch.zeros_like(weights),
        golden("joint_P0"),
        steps=len(wanted),
    )
    torch.testing.assert_close(at_once, (weights, projection), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("short", FORMULAS)
def test_later_frames(golden, short):
    fit, samples = FilterFit(), golden("update_samples")
    weights = golden("update_f0")
    filters, losses = [], [fit.loss(samples, *golden.data, weights)]
    for _ in golden(f"update_{short}_filters"):
        weights = fit.update(samples, *golden.data, weights, formula=FORMULAS[short])
        filters.append(weights)
        losses.append(fit.loss(samples, *golden.data, weights))
    golden.check(f"update_{short}_filters", torch.stack(filters), near=1e-3)
    golden.check(f"update_{short}_losses", torch.stack(losses))


@pytest.mark.parametrize("formula", FORMULAS.values())
def test_a_linear_problem_is_solved(formula):
    """Within as many iterations as it has unknowns, and it then stays."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    wanted = torch.randn(9, generator=generator, dtype=torch.float64)
    best = torch.linalg.lstsq(matrix, wanted[:, None]).solution[:, 0]

    def residuals(first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        return (matrix @ torch.cat([first, second]) - wanted,)

    start = torch.zeros(2, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for scales in (None, (0.5, 2.0)):
        for iterations in (5, 40):
            method = ConjugateGradient(iterations, formula, scales)
            found = torch.cat(method.solve(Linearized(residuals, start)))
            torch.testing.assert_close(found, best, rtol=1e-6, atol=1e-8)
