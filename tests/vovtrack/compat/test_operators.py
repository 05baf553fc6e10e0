"""mmcv's operators on torchvision, against plain references."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F

from vovtrack import compat, registry  # noqa: F401

ops = pytest.importorskip("mmcv.ops")


def plain_roi_align(feats, rois, size, scale, sampling_ratio, aligned):
    """Average of bilinear samples in each bin, written bin by bin."""
    pooled = []
    for roi in rois:
        image = feats[int(roi[0])]
        offset = 0.5 if aligned else 0.0
        x1, y1, x2, y2 = (float(v) * scale - offset for v in roi[1:])
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        ny = sampling_ratio or max(int(-(-height // size)), 0)
        nx = sampling_ratio or max(int(-(-width // size)), 0)
        bins = []
        for i in range(size):
            for j in range(size):
                samples = [
                    bilinear(
                        image,
                        y1 + (i + (a + 0.5) / ny) * height / size,
                        x1 + (j + (b + 0.5) / nx) * width / size,
                    )
                    for a in range(ny)
                    for b in range(nx)
                ]
                bins.append(torch.stack(samples).mean(0))
        pooled.append(torch.stack(bins, 1).view(-1, size, size))
    return torch.stack(pooled)


def bilinear(image, y, x):
    """Sample (C,) at a point; 0 more than one pixel outside, clamped at the border."""
    _, h, w = image.shape
    if y < -1 or y > h or x < -1 or x > w:
        return image.new_zeros(len(image))
    y, x = min(max(y, 0.0), h - 1), min(max(x, 0.0), w - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
    dy, dx = y - top, x - left
    return (
        image[:, top, left] * (1 - dy) * (1 - dx)
        + image[:, top, right] * (1 - dy) * dx
        + image[:, bottom, left] * dy * (1 - dx)
        + image[:, bottom, right] * dy * dx
    )


ROIS = torch.tensor([[0, 2.0, 3, 14, 11], [1, 0.0, 0, 20, 19], [1, 5.5, 6.2, 9.1, 7.9]])


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_roi_align_values_and_gradients(aligned, sampling_ratio):
    torch.manual_seed(0)
    feats = torch.randn(2, 3, 10, 10, dtype=torch.double, requires_grad=True)
    rois = ROIS.double()
    args = ((3, 3), 0.5, sampling_ratio, "avg", aligned)
    ours = ops.roi_align(feats, rois, *args)
    plain = plain_roi_align(feats, rois, 3, 0.5, sampling_ratio, aligned)
    torch.testing.assert_close(ours, plain)
    weight = torch.randn_like(ours)
    (grad,) = torch.autograd.grad((ours * weight).sum(), feats)
    (expected,) = torch.autograd.grad((plain * weight).sum(), feats)
    torch.testing.assert_close(grad, expected)


def test_roi_align_of_no_rois_keeps_the_graph():
    feats = torch.randn(1, 2, 8, 8, requires_grad=True)
    out = ops.roi_align(feats, torch.empty(0, 5), (7, 7), 1.0, 0, "avg", True)
    assert out.shape == (0, 2, 7, 7)
    out.sum().backward()
    assert (feats.grad == 0).all()


def test_max_pooling_roi_align_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="max.*MMCV_WITH_OPS"):
        ops.roi_align(torch.randn(1, 1, 4, 4), ROIS[:1], (2, 2), 1.0, 2, "max", True)


def random_boxes(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=generator) * 50
    bboxes = torch.cat([corners, corners + 5 + torch.rand(n, 2, generator=generator) * 30], 1)
    return bboxes, torch.rand(n, generator=generator)


def plain_nms(bboxes, scores, threshold):
    ious, kept = ops.bbox_overlaps(bboxes, bboxes), []
    for i in scores.argsort(descending=True).tolist():
        if all(ious[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


def test_nms_equals_the_loop():
    bboxes, scores = random_boxes(60)
    dets, kept = ops.nms(bboxes, scores, 0.4)
    assert kept.tolist() == plain_nms(bboxes, scores, 0.4)
    assert torch.equal(dets, torch.cat([bboxes, scores[:, None]], 1)[kept])


def test_nms_of_nothing_and_with_score_threshold():
    dets, kept = ops.nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert dets.shape == (0, 5) and len(kept) == 0
    bboxes, scores = random_boxes(40)
    _, kept = ops.nms(bboxes, scores, 0.4, score_threshold=0.5)
    assert (scores[kept] > 0.5).all()


def test_batched_nms_keeps_groups_apart():
    bboxes, scores = random_boxes(40)
    groups = torch.arange(40) % 3
    cfg = dict(type="nms", iou_threshold=0.3)
    _, kept = ops.batched_nms(bboxes, scores, groups, cfg)
    expected = [
        i
        for g in range(3)
        for i in (groups == g).nonzero()[:, 0][
            plain_nms(bboxes[groups == g], scores[groups == g], 0.3)
        ]
    ]
    assert sorted(kept.tolist()) == sorted(int(i) for i in expected)


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms(method):
    bboxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [40, 40, 50, 50]])
    dets, kept = ops.soft_nms(bboxes, torch.tensor([0.9, 0.8, 0.7]), 0.5, 0.5, 1e-3, method)
    lowered = {
        "naive": None,
        "linear": 0.8 * 0.2,
        "gaussian": 0.8 * float(torch.tensor(-1.28).exp()),
    }
    if lowered[method] is None:
        assert kept.tolist() == [0, 2]
    else:
        assert kept.tolist() == [0, 2, 1]
        assert float(dets[2, 4]) == pytest.approx(lowered[method], rel=1e-5)


def plain_deform_conv(x, offset, weight, mask=None, padding=1):
    """3x3 deformable convolution by sampling one shifted image per kernel tap."""
    _, _, h, w = x.shape
    ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    out = 0
    for k in range(9):
        sy = ys + k // 3 - padding + offset[:, 2 * k]
        sx = xs + k % 3 - padding + offset[:, 2 * k + 1]
        grid = torch.stack([2 * sx / (w - 1) - 1, 2 * sy / (h - 1) - 1], -1)
        sampled = F.grid_sample(x, grid, padding_mode="zeros", align_corners=True)
        if mask is not None:
            sampled = sampled * mask[:, k : k + 1]
        out = out + torch.einsum("bchw,oc->bohw", sampled, weight[:, :, k // 3, k % 3])
    return out


@pytest.mark.parametrize("modulated", [False, True])
def test_deform_conv_values_and_gradients(modulated):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 6, dtype=torch.double, requires_grad=True)
    offset = (torch.randn(2, 18, 7, 6, dtype=torch.double) * 0.7).requires_grad_()
    weight = torch.randn(4, 3, 3, 3, dtype=torch.double, requires_grad=True)
    inputs = [x, offset, weight]
    if modulated:
        mask = torch.rand(2, 9, 7, 6, dtype=torch.double, requires_grad=True)
        inputs.append(mask)
        ours = ops.modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1, 1, 1, 1)
        plain = plain_deform_conv(x, offset, weight, mask)
    else:
        ours = ops.deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1)
        plain = plain_deform_conv(x, offset, weight)
    torch.testing.assert_close(ours, plain)
    cotangent = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad((ours * cotangent).sum(), inputs),
        torch.autograd.grad((plain * cotangent).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_focal_loss_values_and_gradients():
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.double, requires_grad=True)
    labels = torch.tensor([0, 3, 4, 1, 2, 4])  # 4 is the background
    ours = ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "sum")
    y = F.one_hot(labels, 5)[:, :4].double()
    p = logits.sigmoid()
    plain = -(0.25 * y * (1 - p) ** 2 * p.log() + 0.75 * (1 - y) * p**2 * (1 - p).log()).sum()
    torch.testing.assert_close(ours, plain)
    (grad,) = torch.autograd.grad(ours, logits)
    (expected,) = torch.autograd.grad(plain, logits)
    torch.testing.assert_close(grad, expected)


def test_unsupported_operator_names_itself_and_the_cure():
    with pytest.raises(NotImplementedError, match=r"'carafe_forward'.*MMCV_WITH_OPS"):
        sys.modules["mmcv._ext"].carafe_forward()


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_reduced_precision_is_computed_in_full(dtype):
    feats = torch.randn(2, 3, 10, 10).to(dtype).requires_grad_()
    pooled = ops.roi_align(feats, ROIS, (3, 3), 0.5, 2, "avg", True)
    full = ops.roi_align(feats.detach().float(), ROIS, (3, 3), 0.5, 2, "avg", True)
    assert pooled.dtype == dtype and torch.equal(pooled, full.to(dtype))
    pooled.sum().backward()
    assert feats.grad.dtype == dtype and feats.grad.float().sum() == pytest.approx(81, rel=0.02)
    conv = ops.ModulatedDeformConv2dPack(3, 4, 3, padding=1).to(dtype)
    conv(feats).sum().backward()
    assert conv.weight.grad.dtype == dtype and conv.weight.grad.isfinite().all()


def test_roi_align_reads_the_image_of_its_row():
    feats = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 8, 8).contiguous()
    rois = torch.tensor([[2, 1.0, 1, 6, 6], [0, 1.0, 1, 6, 6], [1, 1.0, 1, 6, 6]])
    pooled = ops.roi_align(feats, rois, (2, 2), 1.0, 0, "avg", True)
    assert pooled.mean((1, 2, 3)).tolist() == [2, 0, 1]


def test_soft_nms_at_the_edges():
    dets, kept = ops.soft_nms(torch.empty(0, 4), torch.empty(0))
    assert dets.shape == (0, 5) and len(kept) == 0
    bboxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    _, kept = ops.soft_nms(bboxes, torch.tensor([1e-5, 1e-4]), min_score=1e-3)
    assert kept.tolist() == [1]  # mmcv always keeps the best
    half = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    _, kept = ops.soft_nms(half, torch.tensor([0.9, 0.8]), 0.5, method="naive")
    assert kept.tolist() == [0]  # an overlap equal to the threshold suppresses
    points = torch.zeros(2, 4)
    dets, kept = ops.soft_nms(points, torch.tensor([0.9, 0.8]), method="gaussian")
    assert len(kept) == 2 and dets.isfinite().all()


def test_deform_conv_bias_and_mask_scale_the_taps():
    x, weight, bias = torch.randn(1, 3, 6, 6), torch.randn(4, 3, 3, 3), torch.randn(4)
    offset, mask = torch.zeros(1, 18, 6, 6), torch.full((1, 9, 6, 6), 0.5)
    bias.requires_grad_()
    ours = ops.modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1, 1, 1, 1)
    torch.testing.assert_close(ours, F.conv2d(x, weight * 0.5, bias, padding=1))
    ours.sum().backward()
    torch.testing.assert_close(bias.grad, torch.full((4,), 36.0))
