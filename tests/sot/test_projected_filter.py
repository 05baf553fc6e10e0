"""ATOM's filter online: the recorded parts are what it is learned by, and it finds its target."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.sot.labels import gaussian_label
from vovtrack.sot.models.conjugate_filter import FilterFit
from vovtrack.sot.projected_filter import FitSettings, ProjectedFilter

NAME = "atom.npz"
STRIDE, SIDE, CHANNELS = 16, 12, 8
CENTRES = [(5, 5), (3, 6), (7, 4), (6, 8)]
"""Rows and columns of the target."""


def boxes_of(centres: list[tuple[int, int]]) -> Tensor:
    return torch.tensor([[16.0 * c - 16, 16.0 * r - 16, 32, 32] for r, c in centres])


def drawn(start: Tensor):
    """Draws that make a filter of zeros, and then a projection."""
    left = [torch.tensor(0.5), torch.special.ndtr(start * math.sqrt(start.shape[1]))]
    return lambda *shape: left.pop(0).expand(shape)


def test_recorded_parts_are_used(recorded):
    """Of random draws, labels and weights the recording has its own; these parts it checks."""
    arrays = recorded.arrays(NAME)
    feat, start = (torch.from_numpy(arrays[key]) for key in ("joint_x", "joint_P0"))
    count, size = len(feat), feat.shape[-1]
    boxes = boxes_of(CENTRES[:count])
    settings = FitSettings(
        memory=count + 1,
        channels=len(start),
        filter_size=arrays["joint_filters"].shape[-1],
        first_steps=len(arrays["joint_filters"]),
        every=2,
    )
    with torch.no_grad():
        learned = ProjectedFilter(feat, boxes, STRIDE, drawn(start), settings)
    label = gaussian_label(
        boxes, settings.label_sigma, settings.filter_size, size, STRIDE, density=False
    )
    label = label[:, None, :size, :size]
    zeros = torch.zeros_like(learned.weights)
    weight = torch.full((count,), 1 / count)
    wanted = FilterFit().begin(feat, label, weight, zeros, start, settings.first_steps)
    for found, value in zip((learned.weights, learned.projection), wanted, strict=True):
        # Draws pass through a distribution and its inverse, and steps multiply what they lose.
        torch.testing.assert_close(found, value, rtol=1e-3, atol=2e-3 * float(value.abs().max()))
    more = torch.from_numpy(arrays["joint_x"][::-1].copy())
    for age, hard, iterations in ((1, False, 0), (2, False, 5), (3, True, 5)):
        before = learned.weights
        with torch.no_grad():
            assert learned.update(more[age], boxes[0], age, hard) == iterations
        slots = len(learned.memory.filled())
        samples, labels = learned.samples[:slots], learned.labels[:slots]
        torch.testing.assert_close(samples[-1:], F.conv2d(more[age : age + 1], learned.projection))
        torch.testing.assert_close(labels[-1], label[0])
        wanted = before
        if iterations:
            known = (samples, labels, learned.memory.filled())
            wanted = FilterFit().update(*known, before, iterations)
        torch.testing.assert_close(learned.weights, wanted)
        assert torch.equal(before, learned.weights) == (iterations == 0)


@pytest.mark.parametrize("size", [3, 4])
def test_it_finds_its_target(size):
    """A target of 2 x 2 cells; the scores of an even filter are of corners between cells."""
    generator = torch.Generator().manual_seed(0)
    look = torch.randn(CHANNELS, 2, 2, generator=generator)

    def features(centres: list[tuple[int, int]]) -> Tensor:
        feat = 0.1 * torch.randn(len(centres), CHANNELS, SIDE, SIDE, generator=generator)
        for image, (row, column) in zip(feat, centres, strict=True):
            image[:, row - 1 : row + 1, column - 1 : column + 1] += look
        return feat

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    settings = FitSettings(memory=6, channels=4, filter_size=size, label_sigma=1 / 12)
    with torch.no_grad():
        learned = ProjectedFilter(features(CENTRES), boxes_of(CENTRES), STRIDE, draw, settings)
        for row, column in [(8, 8), (4, 8), (2, 2)]:
            scores = learned.scores(features([(row, column)])[0])
            assert scores.shape == (SIDE, SIDE)
            found = divmod(int(scores.argmax()), SIDE)
            offset = size % 2
            near = {(row - dy, column - dx) for dy in (0, offset) for dx in (0, offset)}
            assert found in near and scores.max() > 0.5
