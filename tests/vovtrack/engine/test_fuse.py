"""Folding changes the speed of a model, not what it computes."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet.structures.bbox import bbox2roi

from vovtrack.engine.fuse import compile_features, prepare_for_speed
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS


@pytest.fixture(scope="module")
def model(repo_root):
    torch.manual_seed(0)
    model = MODELS.build(load_config(repo_root / "configs/mini/ovtrack.py").model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


@torch.no_grad()
def test_a_folded_model_computes_the_same(model):
    image = torch.randn(1, 3, 96, 128)
    rois = bbox2roi([torch.tensor([[5.0, 5, 60, 50], [30, 20, 90, 80]])])
    folded = prepare_for_speed(copy.deepcopy(model))
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    outputs = []
    for one in (model, folded):
        feats = one.detector.extract_feat(image)
        head = one.detector.roi_head
        for maps in (feats, head.bbox_roi_extractor.prepare(feats)):
            described = head.describe(maps, rois)
            outputs.append((described.bbox_pred, described.text_embeds, one.embed(maps, rois)))
    for other in outputs[1:]:
        for ours, theirs in zip(outputs[0], other, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_model_in_training_is_refused(model):
    with pytest.raises(ValueError, match="eval"):
        prepare_for_speed(copy.deepcopy(model).train())


@pytest.mark.slow
@torch.no_grad()
def test_compiled_parts_compute_the_same_for_images_of_any_size():
    torch.manual_seed(0)
    model = torch.nn.Module()
    layers = torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU()
    model.backbone = torch.nn.Sequential(*layers)
    expected = copy.deepcopy(model.eval())
    compile_features(model)
    torch._dynamo.utils.counters.clear()
    for size in ((16, 24), (20, 12)):
        image = torch.randn(1, 3, *size)
        torch.testing.assert_close(model.backbone(image), expected.backbone(image))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert list(model.state_dict()) == list(expected.state_dict())
