"""Crops equal what Pillow and torchvision make of each region alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.functional import center_crop

from detpro.features.crops import crop_regions, enlarge_boxes, integer_boxes
from tests.detpro.golden import Case, close
from tests.seeded import normal
from vovtrack.models.clip import CLIP_MEAN, CLIP_STD

CASE = Case("crops")


def one_by_one(image: np.ndarray, boxes: torch.Tensor, side: int) -> torch.Tensor:
    """The published way."""
    made = []
    for box in boxes.tolist():
        crop = Image.fromarray(image).crop(tuple(box))
        width, height = crop.size
        short, long = sorted(crop.size)
        size = (side, side * long // short) if width <= height else (side * long // short, side)
        made.append(np.asarray(center_crop(crop.resize(size, Image.BICUBIC), [side, side])))
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


def test_whole_pixel_boxes_are_the_recorded_ones():
    boxes = CASE["boxes"]
    assert torch.equal(integer_boxes(boxes), CASE["int_boxes"])
    assert torch.equal(enlarge_boxes(boxes), CASE["boxes_15"])
    assert torch.equal(integer_boxes(enlarge_boxes(boxes)), CASE["int_boxes_15"])


def test_pixels_are_the_recorded_ones():
    image = CASE["image"].permute(2, 0, 1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    for number, chosen in enumerate(CASE.meta["selected_crops"]):
        key = "int_boxes" if chosen["scale"] == 1 else "int_boxes_15"
        crop = crop_regions(image, CASE[key][chosen["proposal"]][None], 224)[0]
        expected = CASE[f"crop_pixels_{number}"] * std + mean
        # Pillow sums with integers: a value may fall to the other side of a rounding.
        assert (crop / 255 - expected).abs().max() < 1.01 / 255
        assert (crop / 255 - expected).abs().mean() < 1e-5


def test_teacher_is_the_recorded_one():
    image = CASE["image"].permute(2, 0, 1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    projection = normal((147, 512), "a", "crop_encoder")
    close(projection[0], CASE["crop_encoder_row0"], 1e-7)
    total = 0
    for key in ("int_boxes", "int_boxes_15"):
        crops = (crop_regions(image, CASE[key], 224) / 255 - mean) / std
        total = total + F.adaptive_avg_pool2d(crops, 7).flatten(1) @ projection
    close(F.normalize(total, dim=1), CASE["teacher"], 1e-4)


@settings(max_examples=15, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(
            st.integers(-30, 90), st.integers(-30, 70), st.integers(1, 120), st.integers(1, 90)
        ),
        min_size=1,
        max_size=12,
    ),
    side=st.sampled_from([16, 33, 64]),
)
def test_any_boxes_equal_one_by_one(boxes, side):
    image = CASE["image"].numpy()
    corners = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in boxes])
    crops = crop_regions(CASE["image"].permute(2, 0, 1), corners, side)
    difference = (crops.int() - one_by_one(image, corners, side).int()).abs()
    # Pillow rounds between its two passes, whose order it chooses by cost.
    assert difference.max() <= 2
    assert difference.float().mean() < 0.3


@pytest.mark.parametrize("count", [0, 1])
def test_no_region_is_no_crop(count):
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    boxes = torch.tensor([[0, 0, 10, 10]])[:count]
    assert crop_regions(image, boxes, 8).shape == (count, 3, 8, 8)
