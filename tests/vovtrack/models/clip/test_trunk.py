"""A detector's backbone taken from a CLIP computes what the CLIP computes."""

from __future__ import annotations

import json

import pytest
import torch
from places import ROOT

from vovtrack.errors import InputError
from vovtrack.models import ClipEncoder, ClipTrunk

CONFIG = str(ROOT / "configs/mini/clip_mini.json")
WEIGHTS = str(ROOT / "saved_models/mini/clip_mini.safetensors")


def test_features_are_those_of_the_clip():
    trunk = ClipTrunk(CONFIG, (0, 2), init_cfg=dict(type="Pretrained", checkpoint=WEIGHTS)).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tower = ClipEncoder(CONFIG, WEIGHTS).load()[0].visual
    with torch.no_grad():
        before = trunk(images)
        trunk.init_weights()
        features = trunk(images)
        wanted = tower.forward_intermediates(images, [1, 3], intermediates_only=True)
    for feature, want, stride in zip(features, wanted["image_intermediates"], (4, 16), strict=True):
        assert feature.shape[-1] == 64 // stride
        torch.testing.assert_close(feature, want)
    assert not torch.allclose(before[0], features[0])


def test_it_learns_and_holds_no_layer_that_nobody_reads():
    trunk = ClipTrunk(CONFIG, out_indices=(0,))
    trunk(torch.randn(1, 3, 64, 64))[0].square().mean().backward()
    assert all(parameter.grad is not None for parameter in trunk.parameters())


def test_statistics_stay_where_they_should():
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for norm_eval in (False, True):
        trunk = ClipTrunk(CONFIG, out_indices=(0,), norm_eval=norm_eval).train()
        before = trunk.tower.bn1.running_mean.clone()
        trunk(images)
        assert torch.equal(trunk.tower.bn1.running_mean, before) == norm_eval
        assert trunk.training


def test_other_towers_are_refused(tmp_path):
    settings = json.loads((ROOT / "configs/mini/clip_mini.json").read_text())
    settings["vision_cfg"] = {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16}
    config = tmp_path / "vit.json"
    config.write_text(json.dumps(settings))
    with pytest.raises(InputError, match="not a ResNet"):
        ClipTrunk(str(config))
    with pytest.raises(InputError, match="from 0 to 3"):
        ClipTrunk(CONFIG, out_indices=(4,))
