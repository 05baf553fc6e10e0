"""Every step of the augmentation of a pair, given what the original drew, and the test pipelines.

A step starts from what the original had before it, so that each is judged alone.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.registry import DefaultScope

from ovtrack.datasets.mixing import renumber
from tests.recorded import Recorded
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS, TRANSFORMS

VIEWS = (0, 1)
"""Key and reference."""
GREYS = 1.001
PIXELS = 0.01
"""What the documentation of the recording allows: a grey value in at most 1 % of the pixels."""
ROUNDED_PLACES = dict(greys=2 * 255 / 64, pixels=0.3)
"""OpenCV 5, with which was recorded, warps exactly. Before, places are rounded to 1/32 pixel: in
each direction 1/64 pixel of the steepest edge."""
CONFIGS = {
    "frcnn": "qdtrack_frcnn_r50_fpn_augs_1x_bdd100k",
    "yolox": "qdtrack_yolox_x_50e_bdd100k",
}
"""Those that reproduce what was recorded."""


@pytest.fixture(scope="module")
def arrays(recorded: Recorded) -> dict[str, np.ndarray]:
    return dict(recorded.arrays("transforms.npz"))


@pytest.fixture(scope="module")
def drawn(recorded: Recorded) -> SimpleNamespace:
    """What the original drew."""
    return SimpleNamespace(**recorded.meta("transforms.npz"))


def transform(config: dict, **sizes) -> BaseTransform:
    """A step of a config, on images of another size."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        return TRANSFORMS.build(dict(config, **sizes))


@pytest.fixture(scope="module")
def data() -> Config:
    """The strong augmentation of the released training."""
    return load_config(CONFIGS["frcnn"]).train_dataloader.dataset


def load(arrays: dict, image: str, boxes: str) -> dict:
    """A view of an image and the boxes, classes and ids of a name."""
    picture = arrays[image][0]
    return dict(
        img=picture.copy(),
        img_shape=picture.shape[:2],
        gt_bboxes=HorizontalBoxes(torch.from_numpy(arrays[boxes].copy())),
        gt_bboxes_labels=arrays[boxes.replace("boxes", "classes")].copy(),
        gt_instances_ids=arrays[boxes.replace("boxes", "ids")].copy(),
        gt_ignore_flags=np.zeros(len(arrays[boxes]), bool),
    )


def sample(arrays: dict, view: int, number: int) -> dict:
    return load(arrays, f"in/image{view}_{number}", f"in/boxes{view}_{number}")


def after(arrays: dict, stage: str, view: int) -> dict:
    return load(arrays, f"{stage}/image{view}", f"{stage}/boxes{view}")


def assert_same_picture(
    found: np.ndarray, expected: np.ndarray, greys: float = GREYS, pixels: float = PIXELS
) -> None:
    assert found.shape == expected.shape
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    assert difference.max() < greys
    assert (difference > 1e-2).mean() <= pixels


def assert_same_boxes(found: dict, arrays: dict, stage: str, view: int) -> None:
    expected = arrays[f"{stage}/boxes{view}"]
    boxes = found["gt_bboxes"].tensor.numpy()
    assert boxes.shape == expected.shape
    np.testing.assert_allclose(boxes, expected, rtol=0, atol=1e-5 * np.abs(expected).max(initial=1))
    assert (found["gt_bboxes_labels"] == arrays[f"{stage}/classes{view}"]).all()


def assert_same_ids(found: list[dict], arrays: dict, stage: str) -> None:
    """The objects of both views have the numbers of the original."""
    for view in VIEWS:
        assert (found[view]["gt_instances_ids"] == arrays[f"{stage}/ids{view}"]).all()


def assert_same_objects(found: list[dict], arrays: dict, stage: str) -> None:
    """The same objects have equal numbers, whatever these are."""
    expected = [after(arrays, stage, view) for view in VIEWS]
    renumber(expected)
    renumber(found)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours["gt_instances_ids"] == theirs["gt_instances_ids"]).all()


def test_mosaic(arrays, drawn, data):
    height, width = drawn.out_shape
    mosaic = transform(data.mix.steps.mosaic, img_scale=(width, height))
    found = []
    for view in VIEWS:
        tiles = [sample(arrays, view, number) for number in range(len(drawn.tiles))]
        found.append(mosaic.combine(tiles, drawn.mosaic[view]["paste_coords"][0][2:]))
        assert_same_picture(found[view]["img"], arrays[f"mosaic/image{view}"][0])
        assert_same_boxes(found[view], arrays, "mosaic", view)
    assert_same_objects(found, arrays, "mosaic")


@pytest.mark.parametrize(
    ("before", "stage"), [("mosaic", "rescale_ids"), ("mixup", "rescale_ids2")]
)
def test_numbers_of_the_objects(arrays, before, stage):
    found = [after(arrays, before, view) for view in VIEWS]
    renumber(found)
    assert_same_ids(found, arrays, stage)


def test_affine(arrays, drawn, data, monkeypatch):
    height, width = drawn.out_shape
    affine = transform(data.mix.steps.affine, border=(-width // 2, -height // 2))
    found = []
    for view in VIEWS:
        matrix = np.float32(drawn.affine[view]["warp_matrix"])
        monkeypatch.setattr(affine, "draw_matrix", lambda *_, matrix=matrix: matrix)
        found.append(affine(after(arrays, "rescale_ids", view)))
        expected = arrays[f"affine/image{view}"][0]
        allowed = ROUNDED_PLACES if int(cv2.__version__.split(".")[0]) < 5 else {}
        assert_same_picture(found[view]["img"], expected, **allowed)
        assert_same_boxes(found[view], arrays, "affine", view)
    assert_same_ids(found, arrays, "affine")


def test_mix_up(arrays, drawn, data):
    mix_up = transform(data.mix.steps.mix_up)
    found = []
    for view in VIEWS:
        given = drawn.mixup[view]
        assert given["ratio"] == 0.5 and given["pad_value"] == mix_up.pad_val
        parts = after(arrays, "affine", view), sample(arrays, view, drawn.mixup_source)
        found.append(mix_up.combine(*parts, given["im_shape"], given["crop_coord"][:2]))
        # The original keeps halves of a grey and drops them in the next step.
        expected = arrays[f"mixup/image{view}"][0].astype(np.uint8)
        assert_same_picture(found[view]["img"], expected)
        assert_same_boxes(found[view], arrays, "mixup", view)
    assert_same_objects(found, arrays, "mixup")


def test_clipped_boxes(arrays, data):
    clip = transform(data.mix.steps.clip)
    found = []
    for view in VIEWS:
        given = "post_process/in_boxes" if f"post_process/in_boxes{view}" in arrays else None
        boxes = f"{given or 'rescale_ids2/boxes'}{view}"
        found.append(clip(load(arrays, f"rescale_ids2/image{view}", boxes)))
        assert_same_boxes(found[view], arrays, "post_process", view)
    assert_same_ids(found, arrays, "post_process")


def test_colours(arrays, drawn, data, monkeypatch):
    colours = transform(data.pipeline.colours)
    deltas = colours.hue_delta, colours.saturation_delta, colours.value_delta
    for view in VIEWS:
        draws = drawn.hsv_draws[view]
        gains = (np.multiply(draws["uniform"], deltas) * draws["mask"]).astype(np.int16)
        monkeypatch.setattr(colours, "_get_hsv_gains", lambda gains=gains: gains)
        before = after(arrays, "post_process", view)
        found = colours(dict(before, img=before["img"].astype(np.uint8)))
        assert_same_picture(found["img"], arrays[f"hsv/image{view}"][0])
        assert_same_boxes(found, arrays, "hsv", view)


def test_flip(arrays, drawn, data):
    flipped = {int(view) for view in re.findall(r"\d+", drawn.flip)}
    assert flipped
    for view in VIEWS:
        flip = transform(data.pipeline.flip, prob=float(view in flipped))
        found = flip(after(arrays, "hsv", view))
        assert (found["img"] == arrays[f"flip/image{view}"][0]).all()
        assert_same_boxes(found, arrays, "flip", view)


def test_resize(arrays, drawn, data, monkeypatch):
    resize = transform(data.pipeline.resize, scale=tuple(drawn.out_shape[::-1]))
    for view in VIEWS:
        size = drawn.resize[view]["target_shape"][::-1]
        monkeypatch.setattr(resize, "fit", lambda *_, size=tuple(size): size)
        found = resize(after(arrays, "flip", view))
        assert_same_picture(found["img"], arrays[f"resize/image{view}"][0])
        assert_same_boxes(found, arrays, "resize", view)


def test_crop(arrays, drawn, data, monkeypatch):
    crop = transform(data.pipeline.crop, crop_size=tuple(drawn.crop_shape[::-1]))
    found = []
    for view in VIEWS:
        x, y, *_ = drawn.crop[view]["crop_box"]
        monkeypatch.setattr(crop, "_rand_offset", lambda *_, offset=(y, x): offset)
        found.append(crop(after(arrays, "resize", view)))
        assert (found[view]["img"] == arrays[f"crop/image{view}"][0]).all()
        assert_same_boxes(found[view], arrays, "crop", view)
    assert_same_ids(found, arrays, "crop")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_last_step_normalises_and_pads_both_views_together(arrays, name):
    views = [arrays[f"crop/image{view}"][0] for view in VIEWS]
    for view, found in enumerate(prepare(name, views)):
        expected = arrays[f"final_{name}/image{view}"][0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", CONFIGS)
def test_pipeline_of_a_test(arrays, drawn, name):
    prefix = f"test_{name}/image"
    for number in [key.removeprefix(prefix) for key in arrays if key.startswith(prefix)]:
        facts = getattr(drawn, f"test_{name}_{number}")
        _, step, _ = load_config(CONFIGS[name]).test_dataloader.dataset.pipeline
        found = transform(step, scale=tuple(facts["shape"][::-1]))(
            dict(img=arrays[f"in/image0_{number}"][0])
        )
        assert list(found["img_shape"]) == facts["input_hw"]
        assert found["scale_factor"] == pytest.approx(facts["scale"])
        (image,) = prepare(name, [found["img"]])
        expected = arrays[f"{prefix}{number}"][0]
        assert list(image.shape) == facts["tensor"][1:]
        np.testing.assert_allclose(image, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def prepare(name: str, images: list[np.ndarray]) -> np.ndarray:
    """A batch (B, 3, H, W) of images (h, w, 3), BGR, as a config's network gets them."""
    preprocessor = MODELS.build(load_config(CONFIGS[name]).model.detector.data_preprocessor)
    inputs = [torch.from_numpy(np.ascontiguousarray(i.transpose(2, 0, 1))) for i in images]
    return preprocessor(dict(inputs=inputs), training=False)["inputs"].numpy()
