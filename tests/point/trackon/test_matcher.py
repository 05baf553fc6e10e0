"""A network that starts as a matcher: what it finds before it has learned anything."""

from __future__ import annotations

import pytest
import torch

from tests.places import ROOT
from vovtrack.engine.run import load_config
from vovtrack.point.models.patches import patch_centres
from vovtrack.registry import MODELS


@pytest.fixture
def found():
    """Share of points that a network finds where they are, in the frame that they are asked in."""

    def share(matcher: bool) -> float:
        config = load_config(ROOT / "configs/trackon/mini.py").model
        torch.manual_seed(0)
        model = MODELS.build(dict(config, matcher=matcher)).eval()
        height, width = model.grid
        patches = torch.randperm(height * width)[:100]
        points = patch_centres(patches, width, model.stride)
        with torch.no_grad():
            maps = model.encode(torch.rand(1, 3, *model.input_size) * 255)
            initial = model.sample(maps, points, torch.zeros(100, dtype=torch.long))
            said = model.step(model.start(initial[None]), maps)
        return float((said.patch[0] == points).all(dim=-1).float().mean())

    return share


def test_a_matcher_finds_what_random_layers_lose(found):
    assert found(matcher=True) > 0.9
    assert found(matcher=False) < 0.1
