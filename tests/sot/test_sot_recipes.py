"""What the configs of single objects train, and how fast."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement

from tests.places import ROOT
from vovtrack.registry import MODELS

CLASSIFIER = {
    "classifier.feature_extractor": 5e-5,
    "classifier.filter_initializer": 5e-5,
    "classifier.filter_optimizer": 5e-4,
}
DENSE = ("features", "predictor", "classifier", "box_regressor")
RATES = {
    "dimp18": {"backbone": 2e-4, "iou_net": 1e-3, **CLASSIFIER},
    "dimp50": {"backbone": 2e-5, "iou_net": 2e-4, **CLASSIFIER},
    "super_dimp": {"backbone": 2e-5, "iou_net": 1e-3, **CLASSIFIER},
    "super_dimp_simple": {"backbone": 2e-5, "iou_net": 1e-3, **CLASSIFIER},
    "prdimp18": {"backbone": 2e-5, "iou_net": 1e-3, "classifier": 1e-3},
    "prdimp50": {"backbone": 2e-5, "iou_net": 1e-3, "classifier": 1e-3},
    "tomp50": {"backbone": 2e-5, **dict.fromkeys(DENSE, 1e-4)},
    "tomp101": {"backbone": 2e-5, **dict.fromkeys(DENSE, 1e-4)},
    "atom": {"backbone": None, "iou_net": 1e-3},
}
TO_STAGE_2 = tuple(f"backbone.{part}." for part in ("conv1", "bn1", "layer1", "layer2"))
FROZEN = {
    **dict.fromkeys(["super_dimp", "super_dimp_simple", "tomp50", "tomp101"], TO_STAGE_2),
    "atom": ("backbone.",),
}


@pytest.mark.parametrize("name", RATES)
def test_rates_of_all_parts(name):
    config = Config.fromfile(ROOT / f"configs/sot/{name}.py")
    model = MODELS.build(config.model)
    names = {id(value): key for key, value in model.named_parameters()}
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    rates = {names[id(value)]: group["lr"] for group in groups for value in group["params"]}
    for key, value in model.named_parameters():
        (rate,) = (rate for part, rate in RATES[name].items() if key.startswith(f"{part}."))
        frozen = key.startswith(FROZEN.get(name, ()))
        assert value.requires_grad != frozen, key
        assert frozen or rates[key] == pytest.approx(rate), key


def test_the_filters_of_prdimp_start_from_nothing():
    model = MODELS.build(Config.fromfile(ROOT / "configs/_base_/models/prdimp18.py").model)
    start = model.classifier.filter_initializer
    boxes = torch.tensor([[[20.0, 24.0, 30.0, 20.0]]])
    assert start(torch.rand(1, 1, 256, 6, 6), boxes).abs().max() == 0


@pytest.mark.parametrize("optimizer", ["LearnedMapOptimizer", "HingeOptimizer", "SoftmaxOptimizer"])
def test_filters_of_all_kinds_are_learned_through(optimizer):
    """Each takes from a sample what it asks for; every parameter has a gradient."""
    config = Config.fromfile(ROOT / "configs/sot/mini.py").model
    config.classifier.optimizer = dict(type=optimizer, steps=2)
    config.losses = dict(
        type="FilterLosses",
        grid=dict(type="DensityLoss" if optimizer.startswith("Softmax") else "HingeLoss"),
        box=dict(type="BoxDensityLoss"),
    )
    torch.manual_seed(0)
    model = MODELS.build(config).train()
    boxes = torch.tensor([[20.0, 24.0, 30.0, 20.0]])
    grid = torch.rand(1, 7, 7)
    sample = BaseDataElement(
        train_boxes=boxes,
        test_boxes=boxes,
        train_label=grid,
        test_label=grid,
        test_density=grid / grid.sum(),
        test_proposals=boxes[:, None] + torch.rand(1, 5, 4),
        test_proposal_density=torch.rand(1, 5) + 0.5,
        test_truth_density=torch.rand(1, 5),
    )
    images = [255 * torch.rand(2, 3, 96, 96) for _ in range(2)]
    losses = model(images, [sample, sample.clone()], mode="loss")
    assert losses.keys() == {"loss_final", "loss_first", "loss_between", "loss_box"}
    sum(losses.values()).backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all(), name
