"""Steps of super DiMP simple, PrDiMP, ToMP and ATOM by ``vovtrack train``, on rendered videos."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.sot.training import render, small, steps, train
from vovtrack.files.checkpoints import load_checkpoint_file

TINY = dict(depth=18, base_channels=8, stem_channels=8, init_cfg=None)
FILTERS = {"loss_final", "loss_first", "loss_between", "loss_box"}
SMALL = dict(
    backbone=TINY,
    classifier=dict(in_channels=32, channels=16, blocks=0),
    iou_net=dict(in_channels=(16, 32), channels=16),
)
TO_STAGE_2 = tuple(f"backbone.{part}." for part in ("conv1", "bn1", "layer1", "layer2"))
RECIPES = {
    "tomp50": (
        dict(
            backbone=TINY,
            in_channels=32,
            channels=16,
            layers=1,
            predictor=dict(channels=16, heads=2, hidden=32, layers=1, box_channels=(8, 16)),
        ),
        {"loss_grid", "loss_box"},
        (
            *TO_STAGE_2,
            # The first of the decoder's layers has one query of zeros, which learns nothing of it.
            "predictor.decoder.0.self_attn.in_proj_weight",
        ),
    ),
    "super_dimp_simple": (SMALL, FILTERS, TO_STAGE_2),
    "prdimp18": (SMALL, FILTERS, ()),
    "atom": (
        dict(backbone=TINY, iou_net=dict(in_channels=(16, 32), channels=16)),
        {"loss_box"},
        ("backbone.",),
    ),
}
"""Configs -> a small network, the losses, and what does not learn."""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("training") / "world")


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps(world, tmp_path, name):
    """All losses are finite and summed, every part learns, and what is frozen stays."""
    model, losses, frozen = RECIPES[name]
    run = train(small(name, world, tmp_path / "small.json", model), tmp_path / "run")
    logged = steps(run)
    assert len(logged) == 2
    for step in logged:
        assert {key for key in step if "loss" in key} == losses | {"loss"}
        assert step["loss"] == pytest.approx(sum(step[key] for key in losses), rel=1e-4)
    first, last = (load_checkpoint_file(run / f"iter_{n}.pth")["state_dict"] for n in (1, 2))
    for key, value in first.items():
        assert torch.isfinite(last[key]).all(), key
        if key.endswith(("weight", "bias")):
            assert torch.equal(value, last[key]) == key.startswith(frozen), key
