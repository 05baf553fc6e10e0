"""Pooling regions from the feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor
from torchvision.ops import roi_align

from vovtrack.registry import MODELS

REGIONS_WORTH_A_THREAD = 50
BORDER = 1
"""Pixels around each packed map: RoIAlign reads up to half a pixel beyond the outermost centre."""


class PackedMaps(NamedTuple):
    """The maps of a pyramid side by side in one, from which a single call pools all regions."""

    canvas: Tensor
    """(B, C, H, W) float32; what lies between the maps is undefined."""
    origins: tuple[tuple[int, int], ...]
    """(x, y) of the first pixel of each map."""
    finest: tuple[int, int]
    """(height, width) of the finest map."""

    @classmethod
    def pack(cls, feats: Sequence[Tensor]) -> PackedMaps:
        """Put the finest map left and the others below each other on its right.

        Args:
            feats: Maps (B, C, h, w), finest first.
        """
        sizes = [(feat.shape[-1] + 2 * BORDER, feat.shape[-2] + 2 * BORDER) for feat in feats]
        places, height = [(0, 0)], 0
        for _, own_height in sizes[1:]:
            places.append((sizes[0][0], height))
            height += own_height
        width = sizes[0][0] + max((own for own, _ in sizes[1:]), default=0)
        canvas = feats[0].new_empty(
            *feats[0].shape[:2], max(height, sizes[0][1]), width, dtype=torch.float32
        )
        for feat, (x, y), (own_width, own_height) in zip(feats, places, sizes, strict=True):
            room = canvas[..., y : y + own_height, x : x + own_width]
            room[..., BORDER:-BORDER, BORDER:-BORDER] = feat
            room[..., 0, :], room[..., -1, :] = room[..., 1, :], room[..., -2, :]
            room[..., 0], room[..., -1] = room[..., 1], room[..., -2]
        origins = tuple((x + BORDER, y + BORDER) for x, y in places)
        finest = (feats[0].shape[-2], feats[0].shape[-1])
        return cls(canvas, origins, finest)


@MODELS.register_module()
class PreciseRoIExtractor(SingleRoIExtractor):
    """RoIAlign from the level that fits each region, in one call and without a host read.

    Levels are assigned as in FPN (Lin et al., CVPR 2017, eq. 1). Boxes and maps are float32 also
    in mixed precision: in bfloat16 a coordinate of 1000 pixels is a multiple of 4.

    mmdet's extractor, of which this one takes the arguments, asks the device for the regions of
    each level and pools level by level.
    """

    def prepare(self, feats: Sequence[Tensor] | PackedMaps) -> PackedMaps:
        """The FPN maps that are pooled from, as :meth:`forward` wants them.

        Doing this once serves all poolings of a frame; without it each does it again.
        """
        return feats if isinstance(feats, PackedMaps) else PackedMaps.pack(feats[: self.num_inputs])

    def forward(
        self,
        feats: Sequence[Tensor] | PackedMaps,
        rois: Tensor,
        level_map: Sequence[int] | None = None,
    ) -> Tensor:
        """Pool each region from the level that fits its size.

        Args:
            feats: FPN maps (B, C, h, w), at least as many as ``featmap_strides``, or what
                :meth:`prepare` made of them.
            rois: (N, 5) image index and box (x1, y1, x2, y2), network-input pixels; parts of a
                box outside of the input are cut off.
            level_map: Level to pool from instead of each level; None keeps them.

        Returns:
            (N, C, S, S) float32.
        """
        maps = self.prepare(feats)
        rois = self._clip(rois.float(), maps.finest)
        levels = self.map_roi_levels(rois, self.num_inputs)
        if level_map is not None:
            levels = _look_up(level_map, levels)
        with torch.autocast(rois.device.type, enabled=False):
            return self._pool(maps.canvas, self._to_canvas(maps, rois, levels))

    def _clip(self, rois: Tensor, finest: tuple[int, int]) -> Tensor:
        """``rois`` inside of the input: beyond it lies another map."""
        image, x1, y1, x2, y2 = rois.unbind(dim=1)
        height, width = (side * self.featmap_strides[0] for side in finest)
        x1, x2 = (x.clamp(0, width) for x in (x1, x2))
        y1, y2 = (y.clamp(0, height) for y in (y1, y2))
        return torch.stack([image, x1, y1, x2, y2], dim=1)

    def _to_canvas(self, maps: PackedMaps, rois: Tensor, levels: Tensor) -> Tensor:
        """``rois`` in pixels of the canvas."""
        scales = _look_up([layer.spatial_scale for layer in self.roi_layers], levels)
        x, y = (_look_up(column, levels) for column in zip(*maps.origins, strict=True))
        return torch.cat(
            [rois[:, :1], rois[:, 1:] * scales[:, None] + torch.stack([x, y, x, y], dim=1)], dim=1
        )

    def _pool(self, canvas: Tensor, rois: Tensor) -> Tensor:
        """Pool from one map. On a CPU the operator uses one thread: regions are shared out."""
        layer = self.roi_layers[0]

        def pool(part: Tensor) -> Tensor:
            return roi_align(
                canvas, part, layer.output_size, 1.0, layer.sampling_ratio, layer.aligned
            )

        threads = torch.get_num_threads()
        few = len(rois) < REGIONS_WORTH_A_THREAD * threads
        if canvas.device.type != "cpu" or torch.is_grad_enabled() or few:
            return pool(rois)
        with ThreadPoolExecutor(threads) as workers:
            # Small regions cost less than large ones: more parts than threads even that out.
            return torch.cat(list(workers.map(torch.no_grad()(pool), rois.chunk(4 * threads))))


def _look_up(values: Sequence[float], levels: Tensor) -> Tensor:
    """``values[levels]``, (N,) float32, without sending the table to the device."""
    found = torch.zeros_like(levels, dtype=torch.float32)
    for level, value in enumerate(values):
        found.masked_fill_(levels == level, value)
    return found
