"""Views of the first frame, and what the original made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vovtrack.sot.first_views import (
    ViewSettings,
    blurred,
    drop_channels,
    expanded_side,
    make_views,
    rotated,
)
from vovtrack.sot.search_area import cut_window, place_window

NAME = "init_augmentation.npz"
GREY = 1.0
"""Levels that another program's rotation of bytes may differ by."""


def seeded_draw(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.rand(shape, generator=generator)


def test_views(recorded):
    """The shifts were drawn: what gives them again is given instead."""
    arrays, meta = recorded.arrays(NAME), recorded.meta(NAME)
    frame = torch.from_numpy(recorded.arrays("online_video.npz")["frames"][0])
    side, settings = meta["size"], ViewSettings()
    order = meta["order"]
    chance = [n for n, name in enumerate(order) if not name.startswith(("identity", "shift"))]
    assert [name.split("(")[0] for name in order[: len(order) - len(chance)]] == [
        "identity",
        *["shift"] * len(settings.shifts),
    ]
    given = torch.from_numpy(arrays["transform_shift"][chance])
    uniform = 0.5 + (given + 0.5 * given.sign()) / (side * settings.random_shift)
    expanded = expanded_side(side, settings.expansion)
    position, scale = arrays["state"][:2], arrays["state"][2]
    out = np.full(2, expanded)
    window = place_window(frame.shape[:2], position, scale * out, out)
    image = cut_window(frame.permute(2, 0, 1)[None], window, (expanded, expanded))
    views, shifts = make_views(image, side, settings, lambda *shape: uniform.view(shape))
    np.testing.assert_array_equal(shifts, arrays["transform_shift"])
    assert len(views) == len(order) == settings.samples - settings.dropouts
    for name, view, wanted in zip(order, views[..., ::2, ::2], arrays["patches"], strict=True):
        off = np.abs(view.numpy() - wanted)
        assert off.max() < (2 * GREY if name.startswith("rotate") else 0.01), name
        assert np.median(off) < 0.5 * GREY


def test_random_shifts_stay_within_their_share():
    settings = ViewSettings(shifts=(), blurs=(), rotations=(0,) * 300, flip=False)
    views, shifts = make_views(torch.zeros(1, 1, 64, 64), 32, settings, seeded_draw())
    assert views.shape == (301, 1, 32, 32) and shifts[0].tolist() == [0, 0]
    assert shifts.abs().max() == int(32 / 6) and len(shifts[1:].unique(dim=0)) > 60


def test_a_view_shows_the_target_where_its_shift_says():
    """A bright pixel in the middle is where its view's shift puts it, also if that is outside."""
    image = torch.zeros(1, 1, 33, 33)
    image[..., 16, 16] = 1
    settings = ViewSettings(blurs=(), rotations=(90,), random_shift=0.5)
    views, shifts = make_views(image, 17, settings, seeded_draw())
    for view, shift in zip(views, shifts, strict=True):
        assert view[0].nonzero().tolist() == [(8 + shift).tolist()]


def test_blur_and_rotation():
    """A blur keeps the sum of what is far from the border, and rotations are counter-clockwise."""
    image = torch.zeros(1, 2, 41, 41)
    image[:, 0, 20, 20], image[:, 1, 20, 30] = 1, 1
    soft = blurred(image, (3.0, 1.0))
    torch.testing.assert_close(soft.sum(dim=(2, 3)), torch.ones(1, 2))
    rows, columns = soft[0, 0].sum(dim=1), soft[0, 0].sum(dim=0)
    assert (rows > 0).sum() == 13 and (columns > 0).sum() == 5
    turned = rotated(image, 90.0)
    assert (turned[0, 0] > 0.99).nonzero().tolist() == [[20, 20]]
    assert (turned[0, 1] > 0.99).nonzero().tolist() == [[10, 20]]
    torch.testing.assert_close(rotated(rotated(image, 90.0), -90.0), image, atol=1e-4, rtol=0)


@pytest.mark.parametrize("copies", [0, 3])
def test_dropped_channels(copies):
    feat = torch.rand(1, 400, 2, 2) + 1
    found = drop_channels(feat, ViewSettings(dropouts=copies, dropout=0.25), seeded_draw())
    assert found.shape == (copies, 400, 2, 2)
    kept = found[:, :, 0, 0] != 0
    torch.testing.assert_close(found, kept[:, :, None, None] * feat / 0.75)
    assert all(0.15 < 1 - share < 0.35 for share in kept.float().mean(dim=1).tolist())
