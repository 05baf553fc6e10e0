"""The only file that patches or guards third parties.

mmcv without its compiled extension cannot be imported by mmdet, because every operator asks for
the extension at import. :func:`install` registers a stand-in whose operators are torchvision's.
Where the compiled extension exists, it wins.
"""

from __future__ import annotations

import importlib.util
import sys
import types

import torch
import torchvision
from torch import Tensor
from torchvision.ops import nms as tv_nms

EXTENSION = "mmcv._ext"


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices kept by greedy suppression, best first."""
    if offset:
        bboxes = bboxes + bboxes.new_tensor([0, 0, offset, offset])
    return tv_nms(bboxes, scores, iou_threshold)


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


def unsupported(name: str) -> NotImplementedError:
    """The error of an operator that torchvision does not have."""
    return NotImplementedError(
        f"The mmcv operator '{name}' has no torchvision counterpart. Install an mmcv that was "
        "compiled with its operators (MMCV_WITH_OPS=1), or choose a config without it."
    )


class TorchvisionExtension(types.ModuleType):
    """Module that answers for ``mmcv._ext``; unknown operators raise when called."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise unsupported(name)

        return missing


def install() -> None:
    """Make mmdet importable: register the stand-in unless mmcv is compiled. Idempotent."""
    if EXTENSION in sys.modules or importlib.util.find_spec(EXTENSION) is not None:
        return
    extension = TorchvisionExtension(EXTENSION, __doc__)
    for operator in (nms, roi_align_forward, roi_align_backward):
        setattr(extension, operator.__name__, operator)
    sys.modules[EXTENSION] = extension


def operator_backend() -> str:
    """Name of what serves mmcv's operators."""
    if isinstance(sys.modules.get(EXTENSION), TorchvisionExtension):
        return f"torchvision {torchvision.__version__}"
    return "mmcv compiled extension"
