"""A filter that learns while its target is followed, by each of the optimisers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from vovtrack.sot.labels import gaussian_label, gaussian_map
from vovtrack.sot.models.classifier import TargetClassifier
from vovtrack.sot.online_filter import LearningSettings, OnlineFilter
from vovtrack.sot.search_area import SearchArea

SIDE, STRIDE, CHANNELS = 12, 16, 8
CENTRES = [(5, 5), (3, 6), (7, 4), (6, 8)]
"""Rows and columns of the target."""
OPTIMIZERS = {"LearnedMapOptimizer": None, "HingeOptimizer": 1 / 12, "SoftmaxOptimizer": None}
"""Types -> the label that they ask for."""


def features(centres: list[tuple[int, int]], look: int = 0) -> Tensor:
    """Noise, and a target of 2 x 2 cells that looks the same in all images."""
    generator = torch.Generator().manual_seed(look)
    pattern = torch.randn(CHANNELS, 2, 2, generator=generator)
    feat = 0.1 * torch.randn(len(centres), CHANNELS, SIDE, SIDE, generator=generator)
    for image, (row, column) in zip(feat, centres, strict=True):
        image[:, row - 1 : row + 1, column - 1 : column + 1] += pattern
    return feat / 10


def boxes_of(centres: list[tuple[int, int]]) -> Tensor:
    return torch.tensor([[16.0 * c - 16, 16.0 * r - 16, 32, 32] for r, c in centres])


@pytest.fixture(params=list(OPTIMIZERS))
def learned(request):
    torch.manual_seed(0)
    optimizer = dict(type=request.param)
    classifier = TargetClassifier(CHANNELS, CHANNELS, optimizer)
    settings = LearningSettings(memory=6, every=3, label_sigma=OPTIMIZERS[request.param])
    with torch.no_grad():
        yield OnlineFilter(classifier, features(CENTRES), boxes_of(CENTRES), settings)


def test_it_finds_its_target(learned):
    """Also in places that it has not seen; a score's cell is the corner between four cells."""
    seen = [(8, 8), (4, 8), (2, 2)]
    scores = learned.classifier.classify(learned.weights, features(seen)[:, None])[:, 0]
    found = [divmod(int(image.argmax()), image.shape[1]) for image in scores]
    assert scores.shape == (3, SIDE + 1, SIDE + 1) and found == seen


def test_when_it_learns(learned):
    """Often from what looks alike, else in every so many frames, and of what is remembered."""
    feat, box = features([(6, 6)])[0], boxes_of([(6, 6)])[0]
    for age, hard, steps in ((1, False, 0), (2, True, 1), (3, False, 2), (4, False, 0)):
        before = learned.weights
        assert learned.update(feat, box, age, hard) == steps
        assert torch.equal(before, learned.weights) == (steps == 0)
    assert learned.memory.count == len(CENTRES) + 4


def test_a_new_look_is_learned(learned):
    """What looks otherwise stands out more once it was learned from often enough."""
    other = features([(6, 6)], look=1)[0]

    def margin() -> float:
        scores = learned.classifier.classify(learned.weights, other[None, None])[0, 0]
        return float(scores[6, 6] - scores.mean())

    before = margin()
    for age in range(1, 13):
        learned.update(other, boxes_of([(6, 6)])[0], age, hard_negative=True)
    assert margin() > before


@pytest.mark.parametrize("position", [(60.0, 80.0), (51.5, 97.25)])
def test_the_label_is_a_quarter_of_the_target_wide(position):
    """Whatever the target's shape; its centre is where the frame has it."""
    side, stride, extent = 352, 16, 6
    area = SearchArea(np.array([57.5, 85.5]), 0.625, side)
    size = np.array([30.0, 48.0])
    base = size * side / extent / np.sqrt(size.prod())
    box = torch.tensor(area.box_of(np.array(position), size))[None, None]
    cells = side // stride
    found = gaussian_label(box, 1 / 4 / extent, 4, cells, stride, density=False)
    centre = (np.array(position) - area.centre) / area.scale / stride + 0.5
    sigma = np.sqrt((base / stride).prod()) / 4
    wanted = gaussian_map(torch.tensor(centre), sigma, cells, end_pad=1)
    torch.testing.assert_close(found[0, 0], wanted)
