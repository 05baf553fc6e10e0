"""The network of DiMP, and of PrDiMP and super DiMP, which train it otherwise."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.registry import MODELS


@MODELS.register_module()
class DiMP(BaseModule):
    """A backbone, a classifier that finds the target, and a network that fits its box.

    Bhat et al., ICCV 2019, arXiv:1904.07220; PrDiMP is Danelljan et al., CVPR 2020,
    arXiv:2003.12565.

    Args:
        backbone: Config of a network that gives maps of stride 8 and 16.
        classifier: Config of :class:`TargetClassifier`, which sees the second.
        iou_net: Config of :class:`IoUNet`, which sees both.
    """

    def __init__(
        self, backbone: dict[str, Any], classifier: dict[str, Any], iou_net: dict[str, Any]
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.classifier = MODELS.build(classifier)
        self.iou_net = MODELS.build(iou_net)

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's two maps of images (N, 3, H, W), RGB and normalised."""
        fine, coarse = self.backbone(images)
        return fine, coarse
