"""Frames are prepared as the images of a test are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config

from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.registry import TRANSFORMS


def test_a_frame_equals_an_image_of_a_test(tmp_path, repo_root):
    cfg = load_config(repo_root / "configs/mini/ovtrack.py")
    frame = np.random.default_rng(0).integers(0, 255, (90, 200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "0.png"), frame)
    steps = [TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline]
    expected = Compose(steps)(dict(img_path=str(tmp_path / "0.png"), img_id=1, frame_id=3))
    found = FramePipeline.of(cfg)(frame, frame_id=3)
    assert torch.equal(found["inputs"], expected["inputs"])
    assert found["inputs"].shape[1:] == (115, 256)
    for key in ("ori_shape", "img_shape", "scale_factor", "frame_id"):
        assert found["data_samples"].get(key) == expected["data_samples"].get(key), key


def test_a_size_that_nothing_reads_is_refused(repo_root):
    cfg = load_config(repo_root / "configs/mini/ovtrack.py")
    cfg.frame_scale = (64, 48)
    with pytest.raises(InputError, match=r"frame_scale=\(64, 48\).*resized to \(256, 192\)"):
        FramePipeline.of(cfg)
    with pytest.raises(InputError, match="has no test_dataloader"):
        FramePipeline.of(Config(dict(model=dict(type="A"))))


def test_sizes_of_yaml_are_lists():
    steps = [dict(type="Resize", scale=[64, 48], keep_ratio=True), dict(type="PackDetInputs")]
    assert FramePipeline(steps)(np.zeros((10, 20, 3), np.uint8))["inputs"].shape == (3, 32, 64)
