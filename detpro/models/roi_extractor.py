"""Pooling regions from the feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor
from torchvision.ops import roi_align

from vovtrack.registry import MODELS


@MODELS.register_module()
class PreciseRoIExtractor(SingleRoIExtractor):
    """mmdet's extractor with boxes that stay float32 in mixed precision.

    mmdet casts boxes to the type of the features; in bfloat16 that rounds a coordinate of 1000
    pixels to a multiple of 4. Levels are assigned as in FPN (Lin et al., CVPR 2017, eq. 1).
    """

    def forward(self, feats: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Pool each region from the level that fits its size.

        Args:
            feats: FPN maps (B, C, h, w), as many as ``featmap_strides``.
            rois: (N, 5) image index and box (x1, y1, x2, y2), network-input pixels.

        Returns:
            (N, C, S, S) in the type of the features.
        """
        rois = rois.float()
        levels = self.map_roi_levels(rois, len(feats))
        size = self.roi_layers[0].output_size
        pooled = feats[0].new_zeros(len(rois), self.out_channels, *size)
        for level, (feat, layer) in enumerate(zip(feats, self.roi_layers, strict=True)):
            rows = (levels == level).nonzero()[:, 0]
            with torch.autocast(feat.device.type, enabled=False):
                regions = roi_align(
                    feat.float(),
                    rois[rows],
                    size,
                    layer.spatial_scale,
                    layer.sampling_ratio,
                    layer.aligned,
                )
            pooled[rows] = regions.to(pooled.dtype)
        return pooled
