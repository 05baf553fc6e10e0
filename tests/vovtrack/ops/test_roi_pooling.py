"""Pooling by whole pixels gives what torchvision's operator gives."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import roi_align

from vovtrack.ops.roi_pooling import roi_align_by_rows

HEIGHT, WIDTH = 12, 17
SCALE = 0.25


@pytest.fixture
def feat() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 8, HEIGHT, WIDTH, generator=generator)


def regions(count: int = 300) -> torch.Tensor:
    """Of all sizes, inside, across the border and outside of both images."""
    generator = torch.Generator().manual_seed(1)
    draw = torch.rand(count, 5, generator=generator)
    corners = draw[:, 1:3] * torch.tensor([WIDTH + 8, HEIGHT + 8]) / SCALE - 4 / SCALE
    sizes = draw[:, 3:] ** 3 * torch.tensor([3 * WIDTH, 3 * HEIGHT]) / SCALE
    return torch.cat([(draw[:, :1] > 0.5).float(), corners, corners + sizes], dim=1)


def special() -> torch.Tensor:
    """Without area, on whole pixels, ending at the border or one pixel beyond it."""
    right, low = WIDTH / SCALE, HEIGHT / SCALE
    boxes = [
        [8, 8, 8, 20], [8, 8, 8, 8], [8, 8, 36, 36], [0, 0, right, low],
        [-6, -6, 2, 2], [-2, -2, 26, 26], [right - 2, low - 2, right + 6, low + 6],
        [right + 9, 0, right + 30, 9], [-500, -500, 900, 900],
    ]  # fmt: skip
    return torch.cat([torch.zeros(len(boxes), 1), torch.tensor(boxes)], dim=1)


@pytest.mark.parametrize("rois", [regions(), special(), regions(0)], ids=["any", "special", "none"])
@pytest.mark.parametrize("bins", [7, 3])
def test_it_is_the_operator_of_torchvision(feat, rois, bins):
    expected = roi_align(feat, rois, bins, SCALE, sampling_ratio=0, aligned=True)
    for layout in (torch.contiguous_format, torch.channels_last):
        ours = roi_align_by_rows(feat.to(memory_format=layout), rois, bins, SCALE)
        torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-5)


def test_bfloat16_rounds_the_map_and_not_the_boxes(feat):
    # At 4000 pixels a box in bfloat16 would be moved by up to 8.
    wide, rois = feat.repeat(1, 1, 1, 80), regions(50)
    rois[:, [1, 3]] += 4000
    expected = roi_align(wide, rois, 7, SCALE, sampling_ratio=0, aligned=True)
    ours = roi_align_by_rows(wide.bfloat16(), rois, 7, SCALE)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), expected, atol=0.03, rtol=0.02)
