"""Precise RoI pooling and its gradients by the map and by the boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd import gradcheck, gradgradcheck

from vovtrack.ops.precise_roi_pooling import precise_roi_pool

NAME = "prroi.npz"


def test_values_and_gradients(recorded):
    arrays = recorded.arrays(NAME)
    cases = recorded.meta(NAME)["cases"]
    assert cases
    for number, case in enumerate(cases):
        rois = torch.from_numpy(arrays[f"rois{number}"]).double()
        feat = torch.from_numpy(arrays["feat"]).double().requires_grad_()
        boxes = rois[:, 1:].requires_grad_()
        image = rois[:, 0].long()
        pooled = precise_roi_pool(feat[image], boxes[:, None], case["bins"], case["scale"])[:, 0]
        cotangent = torch.from_numpy(arrays[f"cot{number}"])
        found = torch.autograd.grad((pooled * cotangent).sum(), (feat, boxes))
        near = dict(rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(pooled.detach(), arrays[f"out{number}"], **near)
        np.testing.assert_allclose(found[0], arrays[f"grad_feat{number}"], **near)
        np.testing.assert_allclose(found[1], arrays[f"grad_rois{number}"][:, 1:], **near)


def test_float32_is_near(recorded):
    """But for boxes thinner than a hundredth of a cell, where differences of floats cancel."""
    arrays = recorded.arrays(NAME)
    for number, case in enumerate(recorded.meta(NAME)["cases"]):
        rois = torch.from_numpy(arrays[f"rois{number}"])
        feat = torch.from_numpy(arrays["feat"])[rois[:, 0].long()]
        pooled = precise_roi_pool(feat, rois[:, None, 1:], case["bins"], case["scale"])[:, 0]
        found = (pooled - torch.from_numpy(arrays[f"out{number}"])).abs().amax(dim=(1, 2, 3))
        bins = torch.tensor(case["bins"]).flip(0)
        thick = ((rois[:, 3:] - rois[:, 1:3]) * case["scale"] / bins).amin(dim=1) > 0.01
        assert found[thick].max() < 1e-4 and found.max() < 1e-2


def test_boxes_of_one_image_are_those_of_many():
    generator = torch.Generator().manual_seed(0)
    feat = torch.randn(2, 3, 6, 7, generator=generator)
    corners = 60 * torch.rand(2, 4, 2, generator=generator)
    boxes = torch.cat([corners, corners + 50], dim=-1)
    together = precise_roi_pool(feat, boxes, (2, 3), 1 / 16)
    assert together.shape == (2, 4, 3, 2, 3)
    for image in range(2):
        alone = precise_roi_pool(feat[image, None], boxes[image, None], (2, 3), 1 / 16)[0]
        torch.testing.assert_close(alone, together[image])


def test_derivatives_are_those_of_the_values():
    generator = torch.Generator().manual_seed(0)
    draw = dict(generator=generator, dtype=torch.float64)
    feat = torch.randn(1, 2, 4, 5, **draw).requires_grad_()
    boxes = torch.tensor([[[0.3, -0.6, 3.9, 2.7], [1.2, 1.1, 6.3, 2.8]]], dtype=torch.float64)
    inputs = (feat, boxes.requires_grad_())
    assert gradcheck(lambda f, b: precise_roi_pool(f, b, (2, 3), 1.0), inputs)
    assert gradgradcheck(lambda f, b: precise_roi_pool(f, b, (2, 2), 1.0), inputs)
