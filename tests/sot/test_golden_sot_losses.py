"""Losses of training, and their gradients, against what the original gave."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from vovtrack.registry import MODELS
from vovtrack.sot.models.losses import side_overlap

NAME = "losses.npz"
ABSENT = 99999
"""Of this coordinate on the original says that there is no target."""
RECIPES = {
    "dimp": ("HingeLoss", "OverlapLoss"),
    "super_dimp": ("HingeLoss", "BoxDensityLoss"),
    "super_dimp_simple": ("HingeLoss", "BoxDensityLoss"),
    "prdimp": ("DensityLoss", "BoxDensityLoss"),
}


class Case:
    """The recorded inputs, those that are learned from with gradients."""

    def __init__(self, recorded) -> None:
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.truth = dict(
            test_boxes=self("test_anno"),
            test_label=self("label"),
            test_density=self("label_density"),
            test_overlap=self("proposal_iou"),
            test_proposal_density=self("proposal_density"),
            test_truth_density=self("gt_density"),
            test_sides=self("giou_target"),
            test_region=self("giou_region")[:, :, 0].bool(),
        )

    def __call__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def learned(self, key: str) -> torch.Tensor:
        return self(key).requires_grad_()

    def check(self, key: str, found: torch.Tensor) -> None:
        wanted = self.arrays[key]
        atol = 1e-6 * max(1e-3, np.abs(wanted).max())
        np.testing.assert_allclose(found.detach(), wanted, rtol=1e-5, atol=atol, err_msg=key)

    def check_loss(self, key: str, inputs: torch.Tensor, loss: torch.Tensor) -> None:
        self.check(key, loss)
        loss.backward()
        self.check(f"{key}_grad", inputs.grad)


@pytest.fixture
def case(recorded):
    return Case(recorded)


def test_hinges(case):
    settings = {}
    for name in case.arrays.files:
        if match := re.fullmatch(r"hinge_([^_]+)_([^_]+)", name):
            settings[name] = [None if n == "None" else float(n) for n in match.groups()]
    assert {None} < {most for _, most in settings.values()}
    for name, (threshold, most) in settings.items():
        scores = case.learned("scores")
        loss = MODELS.build(dict(type="HingeLoss", threshold=threshold, most=most))
        value = loss(scores[2], case.truth)
        case.check(name, value)
        value.backward()
        case.check(f"{name}_grad", scores.grad[2])


def test_densities(case):
    grid = case("scores")[3].clone().requires_grad_()
    case.check_loss("kl_grid", grid, MODELS.build(dict(type="DensityLoss"))(grid, case.truth))
    for name, kind in (("kl_box", "BoxDensityLoss"), ("ml_box", "BoxLikelihoodLoss")):
        scores = case.learned("bb_scores")
        case.check_loss(name, scores, MODELS.build(dict(type=kind))(scores, case.truth))


def dense(case):
    return MODELS.build(
        dict(
            type="DenseLosses",
            grid=dict(type="HingeLoss"),
            scores=case.meta["tomp_weights"]["test_clf"],
            boxes=case.meta["tomp_weights"]["giou"],
        )
    )


@pytest.mark.parametrize("cells", ["region", "all"])
def test_overlap_of_sides(case, cells):
    """Without a region to learn from, all cells count."""
    sides = case.learned("giou_pred")
    truth = dict(case.truth, test_label=torch.zeros(sides[:, :, 0].shape))
    if cells == "all":
        truth["test_sides"] = truth["test_sides"].abs() + 0.01
        truth["test_region"] = torch.zeros_like(truth["test_region"])
    losses = dense(case)
    loss = losses(truth["test_label"], sides, truth)["loss_box"] / losses.boxes
    loss.backward()
    end, step = ("", 1) if cells == "region" else ("_all", 3)
    case.check(f"giou_loss{end}", loss)
    case.check(f"giou_grad{end}", sides.grad[..., ::step, ::step])


def test_overlap_of_each_cell(case):
    region = case.truth["test_region"]
    sides, target = (case(key).movedim(2, -1)[region] for key in ("giou_pred", "giou_target"))
    case.check("giou_ious", side_overlap(sides, target).iou)


def actor(case, name: str):
    grid, box = RECIPES[name]
    weights = case.meta[f"{name}_weights"]
    names = ("clf_ce", "clf_ce_init", "clf_ce_iter", "bb_ce")
    if "test_clf" in weights:
        names = (
            "test_clf",
            "test_init_clf",
            "test_iter_clf",
            "iou" if "iou" in weights else "bb_ce",
        )
    final, first, between, boxes = (weights[key] for key in names)
    return MODELS.build(
        dict(
            type="FilterLosses",
            grid=dict(type=grid),
            box=dict(type=box),
            final=final,
            first=first,
            between=between,
            boxes=boxes,
        )
    )


@pytest.mark.parametrize("name", RECIPES)
def test_totals_of_filters(case, name):
    scores = case.learned("scores")
    boxes = case.learned("iou_pred" if name == "dimp" else "bb_scores")
    anno = case("absent_anno" if name == "super_dimp" else "test_anno")
    truth = dict(case.truth, test_boxes=anno.where(anno < ABSENT, math.nan))
    assert truth["test_boxes"].isnan().any() == (name == "super_dimp")
    total = sum(actor(case, name)(scores, boxes, truth).values())
    total.backward()
    case.check(f"{name}_loss", total)
    case.check(f"{name}_grad_scores", scores.grad)
    case.check(f"{name}_grad_box", boxes.grad)


def test_total_of_a_dense_head(case):
    scores, sides = case.learned("tomp_scores"), case.learned("giou_pred")
    truth = dict(case.truth, test_label=case("tomp_label"))
    found = dense(case)(scores, sides, truth)
    assert float(found.pop("overlap")) == pytest.approx(case.meta["tomp_stats"]["mIoU"], rel=1e-5)
    total = sum(found.values())
    total.backward()
    case.check("tomp_loss", total)
    case.check("tomp_grad_scores", scores.grad)
    case.check("tomp_grad_box", sides.grad)
