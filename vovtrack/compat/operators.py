"""Stand-ins for mmcv's compiled operators, with the same signatures, made of torch and torchvision.

mmcv allocates the outputs and the operators fill them in place. Offsets (0 or 1) are added to the
width and height of boxes; boxes are (x1, y1, x2, y2). Half precision is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices kept by greedy suppression, best first."""
    bboxes, scores = _full(bboxes), _full(scores)
    return torchvision.ops.nms(_closed(bboxes, offset), scores, iou_threshold)


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
    """Suppress by lowering scores (Bodla et al., ICCV 2017) and fill ``dets`` (N, 5), best first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5) output; rows behind the returned length stay as they are.
        iou_threshold: Overlap from which methods 0 and 1 act.
        sigma: Width of method 2.
        min_score: Boxes whose lowered score falls below are dropped.
        method: 0 removes, 1 scales by 1 - IoU, 2 scales by exp(-IoU^2 / sigma).
        offset: See the module.

    Returns:
        (n,) int64 indices of the boxes in ``dets``.
    """
    remaining, current = torch.arange(len(boxes)), scores.clone()
    kept: list[int] = []
    closed = _closed(boxes, offset)
    while len(remaining):
        best = int(current[remaining].argmax())
        index = int(remaining[best])
        dets[len(kept), :4], dets[len(kept), 4] = boxes[index], current[index]
        kept.append(index)
        remaining = torch.cat([remaining[:best], remaining[best + 1 :]])
        iou = _overlaps(closed[index], closed[remaining], mode=0)
        if method == 2:
            decay = torch.exp(-iou.square() / sigma)
        else:
            decay = torch.where(iou >= iou_threshold, (1 - iou) * method, torch.ones_like(iou))
        current[remaining] *= decay
        remaining = remaining[current[remaining] >= min_score]
    return torch.tensor(kept, dtype=torch.int64)


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill ``ious`` with intersection over union (mode 0) or over the first box (mode 1).

    Shapes: (M, 4) and (N, 4) give (M, N); with ``aligned``, (N, 4) twice gives (N,). Boxes without
    area overlap nothing.
    """
    first, second = _closed(bboxes1, offset), _closed(bboxes2, offset)
    if not aligned:
        first = first[:, None]
    ious.copy_(_overlaps(first, second, mode))


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
    if pool_mode != 1:
        raise unsupported("roi_align with pool_mode='max'")
    size = (aligned_height, aligned_width)
    input = _full(input)
    rois = rois.to(input.dtype)
    pooled = torchvision.ops.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)
    output.copy_(pooled)


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
    grad_output = _full(grad_output)
    rois = rois.to(grad_output.dtype)
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output,
        rois,
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Fill ``output`` with a deformable convolution (Dai et al., ICCV 2017).

    Args:
        input: (B, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (B, 2 * deformable_group * kH * kW, H', W'), pixels, in pairs (y, x).
        output: (B, O, H', W').
        columns: Not used.
        ones: Not used.
        **geometry: kW, kH, dW, dH (stride), padW, padH, dilationW, dilationH, group,
            deformable_group, im2col_step.
    """
    output.copy_(_deform_conv(geometry, input, offset, weight))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Fill the gradients of the input and the offsets of `deform_conv_forward`."""
    grads = _deform_conv_gradients(geometry, (input, offset, weight), grad_output, (0, 1))
    _fill((grad_input, grad_offset), grads)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: int,
) -> None:
    """Add ``scale`` times the gradient of the weight of `deform_conv_forward` to its output."""
    # The convolution is linear in its weight, so any weight gives the same gradient.
    tensors = (input, offset, torch.zeros_like(grad_weight))
    (grad,) = _deform_conv_gradients(geometry, tensors, grad_output, (2,))
    grad_weight.add_(grad, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill ``output`` with a modulated deformable convolution (Zhu et al., CVPR 2019).

    ``mask`` is (B, deformable_group * kernel_h * kernel_w, H', W'), ``bias`` (O,); the rest as in
    `deform_conv_forward`, with the geometry named kernel_h, stride_h, pad_h, dilation_h, ...
    """
    added = bias if with_bias else None
    output.copy_(_deform_conv(_named(geometry), input, offset, weight, mask, added))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill all gradients of `modulated_deform_conv_forward`."""
    tensors, outputs = (
        [input, offset, weight, mask],
        [grad_input, grad_offset, grad_weight, grad_mask],
    )
    if with_bias:
        tensors.append(bias)
        outputs.append(grad_bias)
    wanted = range(len(tensors))
    _fill(outputs, _deform_conv_gradients(_named(geometry), tensors, grad_output, wanted))


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C) with the focal loss of each logit (Lin et al., ICCV 2017).

    Args:
        input: (N, C) logits.
        target: (N,) class of each row; C means background.
        weight: (C,) class weights, or empty. Background rows weigh 1.
        output: (N, C).
        gamma: Focusing exponent.
        alpha: Weight of positives; negatives weigh 1 - alpha.
    """
    output.copy_(_sigmoid_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of `sigmoid_focal_loss_forward`."""
    with torch.enable_grad():
        logits = input.detach().requires_grad_()
        loss = _sigmoid_focal_loss(logits, target, weight, gamma, alpha).sum()
    _fill((grad_input,), torch.autograd.grad(loss, logits))


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N,) with the focal loss of probabilities (N, C); 0 for negative targets."""
    p = _target_probability(softmax, target)
    loss = -alpha * (1 - p) ** gamma * p.log()
    output.copy_(loss * _row_weight(weight, target) * (target >= 0))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of the loss by the logits."""
    p = _target_probability(softmax, target)
    # For gamma < 1 the power of 0 would be infinite, yet its factor log(1) is 0.
    power = (1 - p).clamp(min=torch.finfo(p.dtype).tiny) ** (gamma - 1)
    slope = alpha * (gamma * power * p * p.log() - (1 - p) ** gamma)
    buff.copy_(slope * _row_weight(weight, target) * (target >= 0))
    hit = F.one_hot(target.clamp(min=0), softmax.shape[1])
    grad_input.copy_(buff[:, None] * (hit - softmax))


def unsupported(name: str) -> NotImplementedError:
    """The error of an operator that torchvision does not have."""
    return NotImplementedError(
        f"The mmcv operator '{name}' has no torchvision counterpart. Install an mmcv that was "
        "compiled with its operators (MMCV_WITH_OPS=1), or choose a config without it."
    )


def _closed(bboxes: Tensor, offset: int) -> Tensor:
    return bboxes + bboxes.new_tensor([0, 0, offset, offset]) if offset else bboxes


def _full(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.half, torch.bfloat16) else tensor


def _overlaps(first: Tensor, second: Tensor, mode: int) -> Tensor:
    """Overlap (...) of broadcast boxes (..., 4), as in `bbox_overlaps`."""
    first, second = _full(first), _full(second)
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    overlap = (high - low).clamp(min=0).prod(dim=-1)
    base = (first[..., 2:] - first[..., :2]).prod(dim=-1)
    if mode == 0:
        base = base + (second[..., 2:] - second[..., :2]).prod(dim=-1) - overlap
    return overlap / base.clamp(min=torch.finfo(base.dtype).tiny)


def _fill(outputs: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for output, value in zip(outputs, values, strict=True):
        output.copy_(value)


def _named(geometry: dict[str, int]) -> dict[str, int]:
    """Names of the plain operator for the geometry of the modulated one."""
    names = {"stride_h": "dH", "stride_w": "dW", "pad_h": "padH", "pad_w": "padW"}
    names |= {"dilation_h": "dilationH", "dilation_w": "dilationW"}
    return {names.get(name, name): value for name, value in geometry.items()}


def _deform_conv(
    geometry: dict[str, int],
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    # torchvision reads both group counts from the shapes; mmcv's modules make the shapes so.
    return torchvision.ops.deform_conv2d(
        _full(input),
        _full(offset),
        _full(weight),
        None if bias is None else _full(bias),
        stride=(geometry["dH"], geometry["dW"]),
        padding=(geometry["padH"], geometry["padW"]),
        dilation=(geometry["dilationH"], geometry["dilationW"]),
        mask=None if mask is None else _full(mask),
    )


def _deform_conv_gradients(
    geometry: dict[str, int],
    tensors: Sequence[Tensor],
    grad_output: Tensor,
    wanted: Sequence[int],
) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in tensors]
        output = _deform_conv(geometry, *leaves)
    return torch.autograd.grad(output, [leaves[index] for index in wanted], _full(grad_output))


def _sigmoid_focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    logits = _full(logits)
    classes = torch.arange(logits.shape[1], device=logits.device)
    positive = -alpha * torch.sigmoid(-logits) ** gamma * F.logsigmoid(logits)
    negative = (alpha - 1) * torch.sigmoid(logits) ** gamma * F.logsigmoid(-logits)
    loss = torch.where(target[:, None] == classes, positive, negative)
    return loss * _row_weight(weight, target)[:, None]


def _row_weight(weight: Tensor, target: Tensor) -> Tensor:
    """Class weight (N,) of each row; 1 for rows without a class."""
    rows = weight.new_ones(len(target))
    if weight.numel():
        has_class = (target >= 0) & (target < len(weight))
        rows[has_class] = weight[target[has_class]]
    return rows


def _target_probability(softmax: Tensor, target: Tensor) -> Tensor:
    """Probability (N,) of each row's class, above 0 so that it has a logarithm."""
    p = _full(softmax).gather(1, target.clamp(min=0)[:, None])[:, 0]
    return p.clamp(min=torch.finfo(p.dtype).tiny)
