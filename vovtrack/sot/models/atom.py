"""The network of ATOM, whose classifier has no weights of its own."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.registry import MODELS


@MODELS.register_module()
class ATOM(BaseModule):
    """A backbone, and a network that fits the target's box.

    Danelljan et al., CVPR 2019, arXiv:1811.07628. What finds the target is learned online, see
    :class:`FilterFit`.

    Args:
        backbone: Config of a network that gives maps of stride 8 and 16.
        iou_net: Config of :class:`IoUNet`.
    """

    def __init__(self, backbone: dict[str, Any], iou_net: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.iou_net = MODELS.build(iou_net)

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's two maps of images (N, 3, H, W), RGB and normalised."""
        fine, coarse = self.backbone(images)
        return fine, coarse
