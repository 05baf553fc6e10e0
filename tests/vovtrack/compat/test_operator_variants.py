"""Rarer arguments of mmcv's operators on torchvision: groups, strides, weights, offsets, modes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vovtrack import registry  # noqa: F401

ops = pytest.importorskip("mmcv.ops")


def shared_gradients(ours, plain, inputs):
    """Pairs of gradients of two results under one random cotangent."""
    torch.testing.assert_close(ours, plain)
    cotangent = torch.randn_like(plain)
    grads = (torch.autograd.grad((out * cotangent).sum(), inputs) for out in (ours, plain))
    return zip(*grads, strict=True)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(2, 1, 1), ((1, 2), (2, 0), (2, 1))])
@pytest.mark.parametrize("groups", [1, 2])
def test_deform_convs_without_offsets_are_convolutions(stride, padding, dilation, groups):
    torch.manual_seed(0)
    geometry = (stride, padding, dilation, groups)
    x = torch.randn(2, 4, 9, 8, dtype=torch.double, requires_grad=True)
    weight = torch.randn(6, 4 // groups, 3, 3, dtype=torch.double, requires_grad=True)
    bias = torch.randn(6, dtype=torch.double, requires_grad=True)
    plain = F.conv2d(x, weight, bias, *geometry)
    offset = torch.zeros(2, 2 * 18, *plain.shape[2:], dtype=torch.double)
    mask = torch.ones(2, 2 * 9, *plain.shape[2:], dtype=torch.double)
    modulated = ops.modulated_deform_conv2d(x, offset, mask, weight, bias, *geometry, 2)
    for ours, expected in shared_gradients(modulated, plain, [x, weight, bias]):
        torch.testing.assert_close(ours, expected)
    unbiased = F.conv2d(x, weight, None, *geometry)
    deformed = ops.deform_conv2d(x, offset, weight, *geometry, 2)
    for ours, expected in shared_gradients(deformed, unbiased, [x, weight]):
        torch.testing.assert_close(ours, expected)


def test_whole_pixel_offsets_shift_each_deformable_group_on_its_own():
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    weight = torch.eye(2)[:, :, None, None]
    offset = torch.zeros(1, 4, 6, 6)
    offset[:, 0], offset[:, 3] = 1, 2  # group 0 reads one row below, group 1 two columns right
    out = ops.deform_conv2d(x, offset, weight, 1, 0, 1, 1, 2)
    torch.testing.assert_close(out[0, 0], F.pad(x[0, 0, 1:], (0, 0, 0, 1)))
    torch.testing.assert_close(out[0, 1], F.pad(x[0, 1, :, 2:], (0, 2)))


def test_sigmoid_focal_loss_weighs_classes_but_not_the_background():
    logits = torch.zeros(3, 2, dtype=torch.double)
    weight = torch.tensor([3.0, 5.0], dtype=torch.double)
    labels = torch.tensor([0, 1, 2])
    plain = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "none")
    ours = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, weight, "none")
    torch.testing.assert_close(ours, plain * torch.tensor([[3.0], [5.0], [1.0]]).double())


def test_sigmoid_focal_loss_of_extreme_logits_stays_finite():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, "sum")
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all() and loss > 100


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_focal_loss_values_and_gradients(gamma, weighted):
    torch.manual_seed(0)
    logits = torch.randn(5, 3, dtype=torch.double, requires_grad=True)
    labels = torch.tensor([0, 2, 1, 1, -1])  # -1 is ignored
    weight = torch.tensor([1.0, 2.0, 4.0], dtype=torch.double) if weighted else None
    ours = ops.softmax_focal_loss(logits, labels, gamma, 0.25, weight, "sum")
    p = logits.softmax(1)[range(4), labels[:4]]
    rows = weight[labels[:4]] if weighted else 1.0
    plain = (-0.25 * rows * (1 - p) ** gamma * p.log()).sum()
    torch.testing.assert_close(ours, plain)
    (grad,) = torch.autograd.grad(ours, logits)
    (expected,) = torch.autograd.grad(plain, logits)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize(
    ("mode", "offset", "expected"),
    [
        ("iou", 0, [[25 / 175, 0.0], [25 / 100, 0.0]]),
        ("iof", 0, [[25 / 100, 0.0], [25 / 25, 0.0]]),
        ("iou", 1, [[36 / 206, 0.0], [36 / 121, 0.0]]),
    ],
)
def test_bbox_overlaps(mode, offset, expected):
    first = torch.tensor([[0.0, 0, 10, 10], [5, 5, 10, 10]])
    second = torch.tensor([[5.0, 5, 15, 15], [50, 50, 60, 60]])
    ious = ops.bbox_overlaps(first, second, mode, offset=offset)
    torch.testing.assert_close(ious, torch.tensor(expected))
    aligned = ops.bbox_overlaps(first, second, mode, aligned=True, offset=offset)
    torch.testing.assert_close(aligned, ious.diagonal())


def test_soft_nms_drops_what_falls_below_the_least_score():
    bboxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [40, 40, 50, 50]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    dets, kept = ops.soft_nms(bboxes, scores, 0.5, min_score=0.1, method="linear")
    assert kept.tolist() == [0, 2]
    torch.testing.assert_close(dets[:, 4], scores[[0, 2]])
    dets, kept = ops.soft_nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert dets.shape == (0, 5) and len(kept) == 0


def test_offset_of_nms_closes_the_boxes():
    bboxes = torch.tensor([[0.0, 0, 3, 3], [2, 0, 5, 3]])  # 1/5 open, 8/24 closed
    scores = torch.tensor([0.9, 0.8])
    assert ops.nms(bboxes, scores, 0.25, offset=0)[1].tolist() == [0, 1]
    assert ops.nms(bboxes, scores, 0.25, offset=1)[1].tolist() == [0]
