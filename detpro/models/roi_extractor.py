"""Pooling regions from the feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from mmcv.ops import RoIAlign
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor
from torchvision.ops import roi_align

from vovtrack.registry import MODELS

REGIONS_WORTH_A_THREAD = 50


@MODELS.register_module()
class PreciseRoIExtractor(SingleRoIExtractor):
    """mmdet's extractor with boxes that stay float32 in mixed precision.

    mmdet casts boxes to the type of the features; in bfloat16 that rounds a coordinate of 1000
    pixels to a multiple of 4. Levels are assigned as in FPN (Lin et al., CVPR 2017, eq. 1).
    """

    def prepare(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The FPN maps that are pooled from, as the operator wants them.

        Doing this once serves all poolings of a frame; without it each does it again.
        """
        return tuple(feat.float().contiguous() for feat in feats[: self.num_inputs])

    def forward(
        self, feats: Sequence[Tensor], rois: Tensor, level_map: Sequence[int] | None = None
    ) -> Tensor:
        """Pool each region from the level that fits its size.

        Args:
            feats: FPN maps (B, C, h, w), as many as ``featmap_strides``.
            rois: (N, 5) image index and box (x1, y1, x2, y2), network-input pixels.
            level_map: Level to pool from instead of each level; None keeps them.

        Returns:
            (N, C, S, S) float32.
        """
        rois = rois.float()
        levels = self.map_roi_levels(rois, len(feats))
        if level_map is not None:
            levels = levels.new_tensor(level_map)[levels]
        pooled = rois.new_empty(len(rois), self.out_channels, *self.roi_layers[0].output_size)
        for level, (feat, layer) in enumerate(zip(feats, self.roi_layers, strict=True)):
            rows = (levels == level).nonzero()[:, 0]
            with torch.autocast(feat.device.type, enabled=False):
                pooled[rows] = self._pool(feat.float(), rois[rows], layer)
        return pooled

    @staticmethod
    def _pool(feat: Tensor, rois: Tensor, layer: RoIAlign) -> Tensor:
        """Pool from one map. On a CPU the operator uses one thread: regions are shared out."""

        def pool(part: Tensor) -> Tensor:
            return roi_align(
                feat,
                part,
                layer.output_size,
                layer.spatial_scale,
                layer.sampling_ratio,
                layer.aligned,
            )

        threads = torch.get_num_threads()
        if feat.is_cuda or torch.is_grad_enabled() or len(rois) < REGIONS_WORTH_A_THREAD * threads:
            return pool(rois)
        with ThreadPoolExecutor(threads) as workers:
            # Small regions cost less than large ones: more parts than threads even that out.
            return torch.cat(list(workers.map(torch.no_grad()(pool), rois.chunk(4 * threads))))
