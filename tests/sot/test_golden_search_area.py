"""What is cut out of a frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vovtrack.sot.search_area import cut_window, place_window

NAME = "crops.npz"


@pytest.fixture
def image(recorded):
    pixels = torch.from_numpy(recorded.arrays(NAME)["image"])
    return pixels.permute(2, 0, 1)[None].float()


def test_search_areas(recorded, image):
    arrays, cases = recorded.arrays(NAME), recorded.meta(NAME)["cases"]
    assert len(cases) == arrays["n"]
    for number, case in enumerate(cases):
        window = place_window(
            image.shape[-2:],
            np.array(case["pos_yx"]),
            np.full(2, case["side"]),
            np.full(2, case["out"]),
            case["mode"],
            case["max_scale_change"],
        )
        assert window.corners.tolist() == arrays[f"coord{number}"].tolist()
        found = cut_window(image, window, (case["out"], case["out"]))[0]
        np.testing.assert_allclose(found, arrays[f"patch{number}"], atol=1e-3)


def test_an_area_that_is_not_resized(recorded, image):
    arrays = recorded.arrays(NAME)
    window = place_window(image.shape[-2:], np.array([20.7, 33.3]), np.array([19.0, 30.0]), None)
    assert window.corners.tolist() == arrays["coord_noresize"].tolist()
    np.testing.assert_array_equal(cut_window(image, window, None)[0], arrays["patch_noresize"])


@pytest.mark.parametrize(
    ("position", "side", "output", "border", "corners"),
    [
        ((240, 320), 288, 288, "replicate", [96.5, 176.5, 385, 465]),
        ((60, 70), 288, 288, "replicate", [-83.5, -73.5, 205, 215]),
        ((240, 320), 289, 289, "replicate", [96, 176, 385.5, 465.5]),
        ((240, 320), 480, 100, "replicate", [2, 82, 484, 564]),
        ((60, 70), 900, 352, "inside_major", [-80, 0, 560.5, 640.5]),
    ],
)
def test_corners(position, side, output, border, corners):
    """Of the original on PyTorch 2, in a frame of 480 x 640."""
    arguments = (np.array(position), np.full(2, float(side)), np.full(2, output), border, 1.5)
    assert place_window((480, 640), *arguments).corners.tolist() == corners


def test_whole_pixels():
    """An even side is cut as it is if half a side is rounded down, as DiMP was measured."""
    arguments = (np.array([240, 320]), np.full(2, 288.0), np.full(2, 288))
    window = place_window((480, 640), *arguments, rounding="floor")
    assert window.corners.tolist() == [97, 177, 385, 465]
    frame = torch.rand(1, 3, 480, 640, generator=torch.Generator().manual_seed(0))
    found = cut_window(frame, window, (288, 288))
    assert torch.equal(found, frame[..., 97:385, 177:465])


@pytest.mark.parametrize("position", [(-500, 20), (30, 900), (1000, 1000)])
def test_an_area_far_outside_shows_the_border(image, position):
    arguments = (np.array(position), np.full(2, 20.0), np.full(2, 20))
    window = place_window(image.shape[-2:], *arguments, rounding="floor")
    found = cut_window(image, window, (20, 20))
    assert found.shape == (1, 3, 20, 20)
    height, width = image.shape[-2:]
    row, column = np.clip(position, 0, [height - 1, width - 1])
    assert torch.equal(found[..., 9, 9], image[..., row, column])
