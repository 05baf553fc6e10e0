"""The operators give on a device what they give on the CPU, gradients included."""

from __future__ import annotations

import pytest
import torch

from vovtrack import registry  # noqa: F401  makes the operators

ops = pytest.importorskip("mmcv.ops")
ROIS = torch.tensor([[0, 2.0, 3, 14, 11], [1, 0.0, 0, 20, 19], [1, 5.5, 6.2, 9.1, 7.9]])


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def boxes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """40 boxes, their scores and classes."""
    corners = draw(40, 2).abs() * 30
    return torch.cat([corners, corners + 5 + draw(40, 2).abs() * 20], 1), draw(40), draw(40) > 0


def suppressed(bboxes, scores, labels):
    dets, kept = ops.nms(bboxes, scores, 0.4)
    grouped, rows = ops.batched_nms(bboxes, scores, labels, dict(type="nms", iou_threshold=0.4))
    return dets, kept, grouped, rows


def overlaps(bboxes, _, labels):
    return (ops.bbox_overlaps(bboxes, bboxes[:7]), labels)


def focal(logits, labels):
    return ops.sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, "sum")


CASES = {
    "nms": (suppressed, boxes),
    "bbox_overlaps": (overlaps, boxes),
    "roi_align": (
        lambda feats, rois: ops.roi_align(feats, rois, (3, 3), 0.5, 0, "avg", True),
        lambda: (draw(2, 3, 10, 10), ROIS),
    ),
    "deform_conv2d": (
        lambda x, offset, weight: ops.deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1),
        lambda: (draw(2, 3, 7, 6), draw(2, 18, 7, 6), draw(4, 3, 3, 3)),
    ),
    "modulated_deform_conv2d": (
        lambda x, o, m, w: ops.modulated_deform_conv2d(x, o, m, w, None, 1, 1, 1, 1, 1),
        lambda: (draw(2, 3, 7, 6), draw(2, 18, 7, 6), draw(2, 9, 7, 6), draw(4, 3, 3, 3)),
    ),
    "sigmoid_focal_loss": (focal, lambda: (draw(6, 4), torch.tensor([0, 3, 4, 1, 2, 4]))),
}


def run(name: str, device: torch.device) -> list[torch.Tensor]:
    """Results, and the gradients of those that have any, on the CPU."""
    compute, make = CASES[name]
    inputs = [value.to(device) for value in make()]
    leaves = [value.requires_grad_() for value in inputs if value.dtype == torch.float32]
    found = compute(*inputs)
    found = list(found) if isinstance(found, tuple) else [found]
    if name not in ("nms", "bbox_overlaps"):
        found += torch.autograd.grad(found[0].square().sum(), leaves, allow_unused=True)
    return [value.detach().cpu() for value in found if value is not None]


@pytest.mark.parametrize("name", CASES)
def test_operator(name, device):
    found, expected = run(name, device), run(name, torch.device("cpu"))
    assert len(found) == len(expected)
    for ours, right in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-4, atol=1e-4)
