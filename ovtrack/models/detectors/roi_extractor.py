"""Pooling regions from the pyramid of any detector."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import torch
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor
from torch import Tensor
from torchvision.ops import roi_align

from vovtrack.ops.roi_pooling import roi_align_by_rows
from vovtrack.registry import MODELS

CANONICAL_SIZE = 224
"""Side of a square region that is pooled from the level of stride 16."""
CANONICAL_LEVEL = 4
"""log2 of that stride."""
NOWHERE = -1e4
"""Corner of a box without area, outside of every map."""


@MODELS.register_module()
class LevelRoIExtractor(BaseRoIExtractor):
    """RoIAlign from the level that fits each region (FPN, Lin et al., CVPR 2017, eq. 1).

    The strides of the pyramid say what the levels are. mmdet's extractor wants to be told the size
    of regions of the finest level, adds 1e-6 to the ratio of sizes, so that regions slightly too
    small climb a level, and asks the device once per level; here the host does not wait. Regions
    may reach outside of the image. Boxes are float32 also in mixed precision.

    Args:
        roi_layer: Config of mmcv's ``RoIAlign``.
        out_channels: Channels of the maps.
        featmap_strides: Strides of the maps that are pooled from, powers of 2, finest first.
    """

    def levels_of(self, rois: Tensor) -> Tensor:
        """The place in ``featmap_strides`` (N,) that each of ``rois`` (N, 5) is pooled from."""
        x1, y1, x2, y2 = rois[:, 1:].unbind(dim=1)
        size = ((x2 - x1) * (y2 - y1)).clamp(min=0).sqrt()
        level = (torch.log2(size / CANONICAL_SIZE) + CANONICAL_LEVEL).floor()
        finest = log2(self.featmap_strides[0])
        return (level - finest).clamp(0, self.num_inputs - 1).long()

    def forward(self, feats: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Pool regions.

        Args:
            feats: Maps (B, C, h, w), one for each of ``featmap_strides``.
            rois: (N, 5) image index and box (x1, y1, x2, y2), network-input pixels.

        Returns:
            (N, C, S, S) float32; on a CPU and without gradients of the type of the maps.
        """
        rois = rois.float()
        levels = self.levels_of(rois)
        with torch.autocast(rois.device.type, enabled=False):
            if rois.is_cuda:
                return self._pool_everywhere(feats, rois, levels)
            order = levels.argsort(stable=True)
            parts = rois[order].split(levels.bincount(minlength=self.num_inputs).tolist())
            pool = self._pool_levels if torch.is_grad_enabled() else self._read_levels
            return torch.cat(pool(feats, parts))[order.argsort()]

    def _pool_everywhere(self, feats: Sequence[Tensor], rois: Tensor, levels: Tensor) -> Tensor:
        """Pool all regions from each level, those of other levels from nowhere, which gives 0.

        So the host need not know how many regions a level has, for which it would wait.
        """
        nowhere = torch.cat([rois[:, :1], torch.full_like(rois[:, 1:], NOWHERE)], dim=1)
        parts = [
            torch.where((levels == level)[:, None], rois, nowhere)
            for level in range(self.num_inputs)
        ]
        return torch.stack(self._pool_levels(feats, parts)).sum(dim=0)

    def _pool_levels(self, feats: Sequence[Tensor], parts: Sequence[Tensor]) -> list[Tensor]:
        """Features of the regions of each level; of none too, so that it is part of the graph."""
        return [
            roi_align(
                feat.float(),
                part,
                layer.output_size,
                layer.spatial_scale,
                layer.sampling_ratio,
                layer.aligned,
            )
            for feat, part, layer in zip(feats, parts, self.roi_layers, strict=True)
        ]

    def _read_levels(self, feats: Sequence[Tensor], parts: Sequence[Tensor]) -> list[Tensor]:
        """As :meth:`_pool_levels`, faster on a CPU and without gradients."""
        layer = self.roi_layers[0]
        if layer.sampling_ratio != 0 or not layer.aligned:
            return self._pool_levels(feats, parts)
        return [
            roi_align_by_rows(feat, part, layer.output_size[0], own.spatial_scale)
            for feat, part, own in zip(feats, parts, self.roi_layers, strict=True)
        ]
