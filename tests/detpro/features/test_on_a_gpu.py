"""CLIP, regions and proposals on a GPU."""

from __future__ import annotations

import numpy as np
import torch

from detpro.features.encoder import RegionEncoder
from detpro.features.proposals import extract_proposals
from tests.fake_cuda import fake_cuda
from tests.places import CLIP
from vovtrack.engine.load import load_model
from vovtrack.models.clip.encoder import ClipEncoder

WEIGHTS = "saved_models/mini/ovtrack_mini.safetensors"
NAMES = ["striped red star", "solid blue ring"]


def test_clip_and_regions(clip):
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 90, 120), np.uint8))
    boxes = torch.tensor([[5.0, 5, 60, 50], [30, 20, 119, 80], [-5, 40, 20, 100]])
    with fake_cuda():
        there = ClipEncoder(**CLIP, device="cuda")
        names = there.encode(NAMES)
        regions = RegionEncoder(there).encode_images([image, image], [boxes, boxes[:1]])
        regions = [rows.cpu() for rows in regions]
    assert torch.equal(names, clip.encode(NAMES))
    expected = RegionEncoder(clip).encode_images([image, image], [boxes, boxes[:1]])
    for found, right in zip(regions, expected, strict=True):
        torch.testing.assert_close(found, right)


def test_proposals(repository, world, ann_file):
    with fake_cuda():
        model, cfg = load_model("configs/mini/ovtrack.py", WEIGHTS, "cuda")
        images = world / "lvis/images"
        found = extract_proposals(model, ann_file, images, tuple(cfg.frame_scale), 50, workers=0)
    assert len(found.bboxes)
