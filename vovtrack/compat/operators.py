"""mmcv's operators on torchvision, with the signatures of mmcv's compiled extension.

Like the extension, most write into tensors that the caller has allocated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchvision.ops as tv
from torch import Tensor

AVERAGE_POOLING = 1
NAIVE, LINEAR, GAUSSIAN = 0, 1, 2


def unsupported(name: str) -> NotImplementedError:
    """The error of an operator that torchvision does not have."""
    return NotImplementedError(
        f"The mmcv operator '{name}' has no torchvision counterpart. Install an mmcv that was "
        "compiled with its operators (MMCV_WITH_OPS=1), or choose a config without it."
    )


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices kept by greedy suppression, best first."""
    return tv.nms(_with_offset(bboxes, offset), scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Suppression that lowers scores (Bodla et al., ICCV 2017); fills ``dets`` (N, 5)."""
    ious = tv.box_iou(_with_offset(boxes, offset), _with_offset(boxes, offset))
    scores, alive = scores.clone(), torch.ones(len(scores), dtype=torch.bool)
    kept: list[int] = []
    while alive.any():
        best = int(torch.where(alive, scores, -torch.inf).argmax())
        if scores[best] < min_score:
            break
        dets[len(kept), :4], dets[len(kept), 4] = boxes[best], scores[best]
        kept.append(best)
        alive[best] = False
        scores = scores * _decay(ious[best], iou_threshold, sigma, method)
        alive &= scores >= min_score
    return torch.tensor(kept, dtype=torch.long)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (N, C, h, w) with averaged samples of ``input`` inside ``rois`` (N, 5)."""
    if pool_mode != AVERAGE_POOLING:
        raise unsupported("roi_align with pool_mode='max'")
    size = (aligned_height, aligned_width)
    output.copy_(tv.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (B, C, H, W) from the gradient of the pooled regions."""
    size = (aligned_height, aligned_width)
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output, rois, spatial_scale, *size, *grad_input.shape, sampling_ratio, aligned
    )
    grad_input.copy_(grad)


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns, ones, **geometry
) -> None:
    """Fill ``output`` with the deformable convolution (Dai et al., ICCV 2017)."""
    output.copy_(_deform_conv(input, weight, offset, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns,
    **geometry,
) -> None:
    """Fill the gradients of input and offsets."""
    grads = _gradients(
        lambda x, o: _deform_conv(x, weight, o, geometry), (input, offset), grad_output
    )
    for target, grad in zip((grad_input, grad_offset), grads, strict=True):
        target.copy_(grad)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns,
    ones,
    scale: float = 1,
    **geometry,
) -> None:
    """Add the gradient of the weights, times ``scale``."""
    (grad,) = _gradients(
        lambda w: _deform_conv(input, w, offset, geometry), (grad_weight,), grad_output
    )
    grad_weight.add_(grad, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns,
    **geometry,
) -> None:
    """Fill ``output`` with the modulated deformable convolution (Zhu et al., CVPR 2019)."""
    output.copy_(_modulated(input, offset, mask, weight, bias, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones,
    offset: Tensor,
    mask: Tensor,
    columns,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    **geometry,
) -> None:
    """Fill the gradients of all inputs."""
    inputs = [input, offset, mask, weight]
    targets = [grad_input, grad_offset, grad_mask, grad_weight]
    if geometry["with_bias"]:
        inputs.append(bias)
        targets.append(grad_bias)

    def forward(x, o, m, w, b=bias):
        return _modulated(x, o, m, w, b, geometry)

    for target, grad in zip(targets, _gradients(forward, inputs, grad_output), strict=True):
        target.copy_(grad)


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C) with the focal loss (Lin et al., ICCV 2017) of labels ``target``."""
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of each loss by its logit."""
    ones = torch.ones_like(input)
    (grad,) = _gradients(lambda x: _focal_loss(x, target, weight, gamma, alpha), (input,), ones)
    grad_input.copy_(grad)


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill ``ious`` with IoU (mode 0) or intersection over the first box (mode 1)."""
    a, b = _with_offset(bboxes1, offset), _with_offset(bboxes2, offset)
    if not aligned:
        a, b = a[:, None], b[None]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    inter = sides.clamp(min=0).prod(-1)
    area_a, area_b = ((x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b))
    base = area_a if mode == 1 else area_a + area_b - inter
    ious.copy_(inter / base.clamp(min=torch.finfo(inter.dtype).tiny))


def _with_offset(bboxes: Tensor, offset: int) -> Tensor:
    return bboxes + bboxes.new_tensor([0, 0, offset, offset]) if offset else bboxes


def _decay(ious: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    if method == GAUSSIAN:
        return torch.exp(-(ious**2) / sigma)
    lowered = 1 - ious if method == LINEAR else torch.zeros_like(ious)
    return torch.where(ious > iou_threshold, lowered, 1.0)


def _deform_conv(input: Tensor, weight: Tensor, offset: Tensor, geometry: dict) -> Tensor:
    return tv.deform_conv2d(
        input,
        offset,
        weight,
        stride=(geometry["dH"], geometry["dW"]),
        padding=(geometry["padH"], geometry["padW"]),
        dilation=(geometry["dilationH"], geometry["dilationW"]),
    )


def _modulated(
    input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, geometry: dict
) -> Tensor:
    return tv.deform_conv2d(
        input,
        offset,
        weight,
        bias if geometry["with_bias"] else None,
        stride=(geometry["stride_h"], geometry["stride_w"]),
        padding=(geometry["pad_h"], geometry["pad_w"]),
        dilation=(geometry["dilation_h"], geometry["dilation_w"]),
        mask=mask,
    )


def _focal_loss(
    input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    # A label of C stands for the background, which has no column.
    one_hot = F.one_hot(target, input.shape[1] + 1)[:, : input.shape[1]].to(input.dtype)
    loss = tv.sigmoid_focal_loss(input, one_hot, alpha, gamma)
    return loss if weight.numel() == 0 else loss * weight[target.clamp(max=len(weight) - 1), None]


def _gradients(function, inputs, grad_output: Tensor) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*inputs), inputs, grad_output)
