"""A whole step of training: losses, what was followed, and every gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from tests.point.trackon.released import released, seeded_video

FILE = "train_step.npz"


def without_chance(model: nn.Module) -> nn.Module:
    """No dropout, anywhere."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model


class Step:
    """One recorded step of training, and ours.

    Args:
        recorded: All recordings.
        name: ``eval``, or ``bn_train`` with statistics of the batch.
    """

    def __init__(self, recorded, name: str) -> None:
        arrays, meta = recorded.arrays(FILE), recorded.meta(FILE)
        self.recorded = {k.removeprefix(f"{name}/"): arrays[k] for k in arrays if k != "meta_json"}
        threshold = meta["vis_threshold"]
        self.model = released(recorded, tuple(meta["size"]), visibility_threshold=threshold)
        self.model.mask_ratio = 0.0
        without_chance(self.model).train(name == "bn_train")
        video = seeded_video(meta["T"], tuple(meta["video_hw"]), meta["shift"], meta["salt"])
        self.inputs = [video[0]]
        self.samples = [
            BaseDataElement(
                queries=torch.from_numpy(arrays["queries"]),
                gt_points=torch.from_numpy(arrays["gt_tracks"]),
                gt_visible=torch.from_numpy(arrays["gt_visible"]),
            )
        ]

    def same(self, name: str, ours: torch.Tensor, **tolerance) -> None:
        """Compare with a recorded array."""
        theirs = torch.from_numpy(np.asarray(self.recorded[name]))
        torch.testing.assert_close(ours.detach(), theirs, **tolerance)


@pytest.fixture(scope="module", params=["eval", "bn_train"])
def step(recorded, request):
    step = Step(recorded, request.param)
    step.losses = step.model(step.inputs, step.samples, mode="loss")
    sum(step.losses.values()).backward()
    return step


def test_losses(step):
    names = {name for name in step.recorded if "_loss" in name and "/" not in name}
    assert step.losses.keys() == names and len(names) == 6
    for name in names:
        step.same(name, step.losses[name], rtol=1e-4, atol=1e-4)


def test_every_gradient(step):
    parameters = dict(step.model.named_parameters())
    names, norms = step.recorded["names"].tolist(), step.recorded["grad_norm"]
    assert set(names) == parameters.keys()
    for name, trainable, norm in zip(names, step.recorded["trainable"], norms, strict=True):
        parameter = parameters[name]
        assert parameter.requires_grad == trainable, name
        if norm < 0:
            assert parameter.grad is None, name
        else:
            assert float(parameter.grad.norm()) == pytest.approx(norm, rel=1e-3, abs=1e-6), name
    assert (norms < 0).any() and (norms > 0).any()


@pytest.mark.parametrize("step", ["bn_train"], indirect=True)
def test_statistics_of_the_batch(step):
    encoder = step.model.backbone.vit_encoder
    tolerance = dict(rtol=1e-4, atol=1e-5)
    step.same("running_mean_norm1", encoder.norm1.running_mean, **tolerance)
    step.same("running_var_stem1", encoder.spm.stem[1].running_var, **tolerance)


def test_points_are_followed_as_in_training(recorded):
    step = Step(recorded, "eval")
    (sample,) = step.samples
    times, places = sample.queries[None, :, 0].long(), sample.queries[None, :, 1:]
    with torch.no_grad():
        found = step.model.follow(step.inputs[0][None], times, places)
    points = torch.stack([prediction.points[0] for prediction in found])
    logits = torch.stack([prediction.visible_logit[0] for prediction in found])
    step.same("points", points, rtol=0, atol=2e-3)
    threshold = step.model.test_settings.visibility_threshold
    assert torch.equal(logits.sigmoid() > threshold, torch.from_numpy(step.recorded["visible"]))
