"""A small image network for point trackers that are trained from scratch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.registry import MODELS

GROUPS = 8
"""Of the norms: statistics of a clip's few frames would say little."""


@MODELS.register_module()
class ResidualEncoder(nn.Module):
    """Convolutions from an image to a map of stride 4, and to coarser ones if wanted.

    Two convolutions halve the image, then residual blocks (He et al., CVPR 2016) let each place
    see what is around it. In the end each channel of an image gets mean 0 and variance 1: what all
    places have in common, which after a ReLU is most, would make them all look alike.

    Args:
        embed_dims: Channels of the map, a multiple of 16.
        blocks: How many residual blocks.
        outputs: How many maps; each after the first has half the size of the one before.
    """

    def __init__(self, embed_dims: int = 64, blocks: int = 3, outputs: int = 1) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        half = embed_dims // 2
        self.stem = nn.Sequential(
            *_conv(3, half, kernel=7, stride=2), nn.ReLU(), *_conv(half, embed_dims, stride=2)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_conv(embed_dims, embed_dims), nn.ReLU(), *_conv(embed_dims, embed_dims))
            for _ in range(blocks)
        )
        self.coarser = nn.ModuleList(
            nn.Sequential(*_conv(embed_dims, embed_dims, stride=2), nn.ReLU())
            for _ in range(outputs - 1)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, embed_dims, H / s, W / s) of normalised images (B, 3, H, W); s = 4, 8, ..."""
        x = F.relu(self.stem(images))
        for block in self.blocks:
            x = F.relu(x + block(x))
        maps = [x]
        for halve in self.coarser:
            maps.append(halve(maps[-1]))
        return tuple(F.instance_norm(m) for m in maps)


def _conv(channels: int, out: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution and its norm."""
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
    return conv, nn.GroupNorm(GROUPS, out)
