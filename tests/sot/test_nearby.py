"""Boxes refined on parts of maps are those refined on whole maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vovtrack.sot.models.iou_net import IoUNet, refine_boxes
from vovtrack.sot.models.nearby import refine_nearby

REACH = 0.5
BOXES = {
    "middle": [[100.0, 120, 40, 30]],
    "corners": [[-10.0, -6, 50, 40], [230, 260, 60, 55]],
    "several": [[40.0, 200, 60, 20], [150, 30, 30, 44], [0, 250, 25, 70]],
    "as large as the map": [[5.0, 10, 270, 260]],
    "outside": [[-200.0, 400, 40, 40]],
}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return IoUNet((8, 16), channels=16).double().eval()


def views(count, side=288):
    """Maps and vectors of some images."""
    draws = torch.Generator().manual_seed(count)
    shapes = [(count, 8, -(-side // 8)), (count, 16, -(-side // 16))]
    maps = [torch.randn(n, c, s, s, generator=draws).double() for n, c, s in shapes]
    vectors = [torch.randn(count, 16, generator=draws).double() for _ in maps]
    return tuple(maps), tuple(vectors)


def both(net, lasts, side=288, step_length=1.0, relative=False):
    """Refined nearby, refined on whole maps, and the cells of the finer one that were looked at."""
    lasts = torch.tensor(lasts).double()
    maps, vectors = views(len(lasts), side)
    noise = torch.randn(len(lasts), 6, 4, generator=torch.Generator().manual_seed(1)).double()
    boxes = torch.cat([lasts[:, None], lasts[:, None] + noise * lasts[:, None, 2:3] / 20], dim=1)
    ascent = dict(steps=4, step_length=step_length, relative=relative)
    seen = []
    hook = net.conv3_1t.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    near = refine_nearby(net, vectors, maps, boxes, lasts.numpy(), REACH, **ascent)
    hook.remove()
    return near, refine_boxes(net, vectors, net.features(maps), boxes, **ascent), seen


def check_equal(near, whole):
    torch.testing.assert_close(near.boxes, whole.boxes, rtol=0, atol=1e-8)
    torch.testing.assert_close(near.overlap, whole.overlap, rtol=0, atol=1e-8)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("case", BOXES)
def test_parts_give_the_numbers_of_whole_maps(net, case, relative):
    near, whole, _ = both(net, BOXES[case], step_length=1e-3, relative=relative)
    assert not torch.equal(whole.boxes[0], whole.boxes[-1]) or case == "outside"
    check_equal(near, whole)


def test_few_cells_are_looked_at(net):
    _, _, seen = both(net, BOXES["middle"], step_length=1e-3)
    assert [shape[-1] * shape[-2] for shape in seen] < [36 * 36 / 2]


def test_a_box_that_leaves_is_followed_on_the_whole_map(net):
    near, whole, seen = both(net, BOXES["several"], step_length=50.0)
    assert [shape[-2:] == (36, 36) for shape in seen] == [False, True]
    moved = (whole.boxes[-1] - whole.boxes[0]).abs().amax()
    assert moved > REACH * np.sqrt(30 * 44)
    check_equal(near, whole)


def test_maps_whose_sides_do_not_match_are_looked_at_whole(net):
    near, whole, seen = both(net, [[20.0, 20, 15, 15]], side=100, step_length=1e-3)
    assert seen[0][-2:] == (13, 13)
    check_equal(near, whole)
