"""Stages 1 and 2 with model and data on a GPU: no tensor of a step is forgotten on the CPU."""

from __future__ import annotations

import pytest
import torch

from tests.detpro.models.test_stages import STAGE1, STAGE2, Words, batch
from tests.fake_cuda import REFUSED, fake_cuda
from tests.places import CLIP
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS

MINI = "configs/mini/detpro.py"
FORMS = [
    path
    for released in (STAGE1, STAGE2)
    for path in (released, released.replace(".py", "_corrected.py"))
]


def build(path: str, **changes):
    """The model of a config with few regions and a shallow backbone: the same code, less work."""
    cfg = load_config(path).model
    if path != MINI:
        cfg.backbone.update(depth=18, init_cfg=None)
        cfg.neck.in_channels = [64, 128, 256, 512]
    cfg.train_cfg.rpn_proposal.max_per_img = 20
    # Beyond 10,000 pairs of region and class they are suppressed class by class, which is slow.
    cfg.test_cfg.rpn.max_per_img = 8
    cfg.train_cfg.rcnn.sampler.num = 16
    cfg.test_cfg.rcnn.update(max_per_img=5)
    cfg.roi_head.score_rule.update(detect=0.0)
    cfg.update(changes)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    classes, dims = len(model.vocabulary), model.roi_head.classifier.bank.shape[1]
    model.set_classes(model.vocabulary, torch.randn(classes, dims))
    if model.roi_head.state_attention is not None:
        model.roi_head.state_attention.text_encoder = Words()
    return model


def data(device: torch.device, **changes):
    inputs, samples = batch(**changes)
    return inputs.to(device), [sample.to(device) for sample in samples]


def train_step(model, inputs, samples) -> None:
    total, _ = model.parse_losses(model.loss(inputs, samples))
    total.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("path", FORMS)
def test_training(repository, path):
    with fake_cuda() as device:
        train_step(build(path).train().to(device), *data(device))


def test_training_with_an_online_teacher(repository):
    with fake_cuda() as device:
        teacher = dict(type="ClipEncoder", **CLIP)
        model = build(MINI, region_teacher=teacher).train().to(device)
        inputs, samples = data(device, embeds=False)
        for sample in samples:
            sample.gt_instances.labels %= len(model.vocabulary)
        train_step(model, inputs, samples)


@torch.no_grad()
def test_detection_with_masks_and_judged_states(repository):
    with fake_cuda() as device:
        model = build(STAGE2).eval().to(device)
        found = model.predict(*data(device))[0].pred_instances
        assert len(found) == len(found.masks) == 5 and found.bboxes.is_cuda
        judged = model.judge_states(*data(device))[0]
        assert len(judged.state_weights) == 5


@torch.no_grad()
def test_classes_change_on_the_device(repository):
    """New names are encoded by CLIP wherever it runs; names of context compete with them."""
    with fake_cuda() as device:
        model = build(MINI).eval().to(device)
        model.set_classes(["striped red star", "solid blue ring"])
        assert len(model.predict(*data(device))[0].pred_instances) == 5
        assert model.roi_head.classifier.bank.is_cuda


FORGOTTEN = {
    "roi_head.hidden_classes": "loss",
    "roi_head.classifier.bank": "loss",
    "roi_head.text_weights": "predict",
    "roi_head.bbox_head.image_branch.proj.bias": "loss",
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_forgotten_tensor_of_the_model_is_found(repository, name):
    """These tests can fail: one tensor that stays behind is enough."""
    with fake_cuda() as device:
        model = build(STAGE1).train(FORGOTTEN[name] == "loss").to(device)
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        left_behind = getattr(module, leaf).detach().cpu()
        delattr(module, leaf)
        setattr(module, leaf, left_behind)
        with pytest.raises(RuntimeError, match=REFUSED):
            getattr(model, FORGOTTEN[name])(*data(device))
