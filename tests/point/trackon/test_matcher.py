"""A network that starts as a matcher: what it says before it has learned anything."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.places import ROOT
from vovtrack.engine.run import load_config
from vovtrack.point.models import Prediction
from vovtrack.point.models.patches import patch_centres
from vovtrack.registry import MODELS

COUNT = 100


@pytest.fixture
def build():
    def build(matcher=True):
        config = load_config(ROOT / "configs/trackon/mini.py").model
        torch.manual_seed(0)
        return MODELS.build(dict(config, matcher=matcher)).eval()

    return build


def look(model, first, second, points) -> Prediction:
    """What is said in a second frame of points (N, 2) of a first one."""
    with torch.no_grad():
        initial = model.sample(model.encode(first), points, torch.zeros(len(points)).long())
        return model.step(model.start(initial[None]), model.encode(second))


def centres(model):
    height, width = model.grid
    return patch_centres(torch.randperm(height * width)[:COUNT], width, model.stride)


def smooth(size, seed):
    """Noise (1, 3, H, W) of blotches as large as a patch."""
    height, width = size
    drawn = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return 255 * F.interpolate(drawn, size, mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.mark.parametrize(("matcher", "least", "most"), [(True, 0.9, 1.0), (False, 0.0, 0.1)])
def test_a_matcher_finds_what_random_layers_lose(build, matcher, least, most):
    model = build(matcher)
    points, frame = centres(model), torch.rand(1, 3, *model.input_size) * 255
    said = look(model, frame, frame, points)
    assert least <= (said.patch[0] == points).all(dim=-1).float().mean() <= most


def test_an_offset_leads_from_the_patch_towards_the_point(build):
    model = build()
    frame, points = smooth(model.input_size, seed=0), centres(model)
    asked = points + torch.rand(COUNT, 2) * 3 - 1.5
    said = look(model, frame, frame, asked)
    right = (said.patch[0] == points).all(dim=-1)
    offsets, true = said.offsets[-1, 0, right], (asked - points)[right]
    assert right.float().mean() > 0.6
    for axis in (0, 1):
        assert torch.corrcoef(torch.stack([offsets[:, axis], true[:, axis]]))[0, 1] > 0.3


def test_a_point_that_is_gone_is_said_to_be_hidden(build):
    model = build()
    first, other = (smooth(model.input_size, seed) for seed in (0, 1))
    points = centres(model)
    here, gone = (look(model, first, frame, points) for frame in (first, other))
    assert (here.visible_logit > 0).float().mean() > 0.9
    assert (gone.visible_logit < 0).float().mean() > 0.7
    assert torch.equal(here.uncertainty_logit, -here.visible_logit)
