"""Crops equal what Pillow and torchvision make of each region alone."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from open_clip import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from torchvision.transforms.functional import center_crop

from detpro.features.crops import crop_regions, enlarge_boxes, integer_boxes
from tests.detpro.golden import Case, close
from tests.seeded import normal
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD, ClipEncoder
from vovtrack.models.clip.preprocess import INTERPOLATIONS, RESIZE_MODES

CASE = Case("crops")


def one_by_one(
    image: np.ndarray,
    boxes: torch.Tensor,
    side: int,
    mode: str = "shortest",
    interpolation: str = "bicubic",
) -> torch.Tensor:
    """The published way; the width first, as Pillow did until version 13."""
    made = []
    for box in boxes.tolist():
        crop = Image.fromarray(image).crop(tuple(box))
        width, height = crop.size
        short, long = sorted(crop.size)
        size = (side, side * long // short) if width <= height else (side * long // short, side)
        size = size if mode == "shortest" else (side, side)
        kind = Image.Resampling[interpolation.upper()]
        resized = crop.resize((size[0], height), kind).resize(size, kind)
        made.append(np.asarray(center_crop(resized, [side, side])))
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
    mode=st.sampled_from(RESIZE_MODES),
    interpolation=st.sampled_from(INTERPOLATIONS),
)
@example(boxes=[(20, 0, 17, 71)], side=16, mode="shortest", interpolation="bicubic")
def test_any_boxes_equal_one_by_one(boxes, side, mode, interpolation):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 96, 128), dtype=torch.uint8, generator=generator)
    corners = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in boxes])
    crops = crop_regions(image, corners, side, mode, interpolation)
    pixels = image.permute(1, 2, 0).numpy()
    expected = one_by_one(pixels, corners, side, mode, interpolation)
    difference = (crops.int() - expected.int()).abs()
    # Sums of float32 instead of integers: each of the two passes may round to the next grey level,
    # where a sum lies in the middle of two.
    assert difference.max() <= 2
    assert (difference > 0).float().mean() < 0.05


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-32-quickgelu", "openai"),
        ("ViT-B-16-SigLIP2", "webli"),
        ("ViT-L-14", "laion2b_s32b_b82k"),
        ("MobileCLIP-S1", "datacompdr"),
        ("PE-Core-B-16", "meta"),
    ],
)
def test_inputs_are_those_of_the_models_own_transform(name, tag):
    """No weights are needed to know mean, std, size, filter and way of resizing."""
    view = ClipEncoder(name, tag).preprocess
    cfg = PreprocessCfg(size=view.side)
    own = image_transform_v2(
        PreprocessCfg(**merge_preprocess_dict(cfg, get_pretrained_cfg(name, tag))), is_train=False
    )
    assert open_clip.get_model_config(name)["vision_cfg"]["image_size"] == view.side
    image = CASE["image"]
    # No tall ones: from version 13 on Pillow resizes their height first.
    boxes = torch.tensor([[3, 4, 60, 40], [-5, 10, 90, 60], [0, 0, 30, 30]])
    crops = crop_regions(
        image.permute(2, 0, 1), boxes, view.side, view.resize_mode, view.interpolation
    )
    whole = Image.fromarray(image.numpy())
    expected = torch.stack([own(whole.crop(tuple(box))) for box in boxes.tolist()])
    difference = (view(crops) - expected).abs() * view.std * 255
    assert difference.max() < 1.01 and difference.mean() < 1e-2


@pytest.mark.parametrize("count", [0, 1])
def test_no_region_is_no_crop(count):
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    boxes = torch.tensor([[0, 0, 10, 10]])[:count]
    assert crop_regions(image, boxes, 8).shape == (count, 3, 8, 8)
