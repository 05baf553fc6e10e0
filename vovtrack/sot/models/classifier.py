"""What learns a target online: features, a first filter, and its optimiser."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.registry import MODELS
from vovtrack.sot.models.features import ClassificationFeatures
from vovtrack.sot.models.filter_initializer import FilterInitializer
from vovtrack.sot.models.filter_optimizers import FilterPath
from vovtrack.sot.models.target_filter import apply_filter


@MODELS.register_module()
class TargetClassifier(BaseModule):
    """Target classification of DiMP (arXiv:1904.07220, section 3) and of those built on it.

    Args:
        in_channels: Of the backbone's map.
        channels: Of the features.
        optimizer: Config of the filter's optimiser.
        blocks: Residual blocks before the features.
        filter_size: Of the filter.
        stride: Pixels of a cell.
        zero_start: See :class:`FilterInitializer`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        optimizer: dict[str, Any],
        blocks: int = 0,
        filter_size: int = 4,
        stride: int = 16,
        zero_start: bool = False,
    ) -> None:
        super().__init__()
        self.feature_extractor = ClassificationFeatures(in_channels, channels, filter_size, blocks)
        self.filter_initializer = FilterInitializer(channels, filter_size, stride, zero_start)
        self.filter_optimizer = MODELS.build(optimizer)

    def extract(self, feat: Tensor) -> Tensor:
        """The features (N, C, H, W) of a backbone's map (N, in_channels, H, W)."""
        return self.feature_extractor(feat)

    def learn(
        self, feat: Tensor, boxes: Tensor, target: Tensor | None = None, **options: Any
    ) -> FilterPath:
        """Make a filter, and improve it.

        Args:
            feat: (images, sequences, C, H, W) features.
            boxes: (images, sequences, 4) boxes (x, y, w, h) in pixels.
            target: What the optimiser asks for, None for boxes.
            **options: Of the optimiser: ``sample_weight``, ``steps``.
        """
        weights = self.filter_initializer(feat, boxes)
        target = boxes if target is None else target
        return self.filter_optimizer(weights, feat, target, **options)

    def classify(self, weights: Tensor, feat: Tensor) -> Tensor:
        """Scores of filters, see :func:`apply_filter`."""
        return apply_filter(feat, weights)
