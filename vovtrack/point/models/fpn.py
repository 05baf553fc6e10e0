"""One map out of four."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models.pyramid import Pyramid, rows


class FeaturePyramid(nn.Module):
    """Adds coarse maps to finer ones, from the coarsest to the finest.

    Source: feature pyramid networks (Lin et al., arXiv 1612.03144), as Track-On2 (Aydemir et al.,
    arXiv 2509.19115) has them: the finest map is taken as it is.

    Args:
        embed_dims: Channels of all maps.
        groups: Of the norms.
    """

    def __init__(self, embed_dims: int, groups: int = 32) -> None:
        super().__init__()

        def convolution(kernel: int) -> list[nn.Module]:
            conv = nn.Conv2d(embed_dims, embed_dims, kernel, padding=kernel // 2)
            return [conv, nn.GroupNorm(groups, embed_dims), nn.ReLU()]

        self.lateral32 = nn.Sequential(*convolution(1))
        self.lateral16 = nn.Sequential(*convolution(1))
        self.lateral8 = nn.Sequential(*convolution(1))
        last = nn.Conv2d(embed_dims, embed_dims, 3, padding=1)
        self.output = nn.Sequential(*convolution(3), last)

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Tokens (B, P, C) of the finest map, row by row."""
        fine, *coarse = pyramid.maps()
        found, *finer = (
            lateral(level)
            for lateral, level in zip(
                (self.lateral32, self.lateral16, self.lateral8), reversed(coarse), strict=True
            )
        )
        for level in (*finer, fine):
            found = level + F.interpolate(found, level.shape[-2:], mode="nearest")
        return rows(self.output(found))
