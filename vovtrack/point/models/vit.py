"""The vision transformer of DINOv2, under the names of its published weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm, PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class VisionTransformer(nn.Module):
    """Patches of an image, and a class token, through layers of attention among them.

    Source: DINOv2 (Oquab et al., arXiv 2304.07193), without registers.

    Args:
        patch: Side of a patch in pixels.
        table: Patches along each side of the image that the position table was trained for.
        embed_dims: Channels.
        depth: Number of layers.
        num_heads: Attention heads.
    """

    def __init__(
        self,
        patch: int = 14,
        table: int = 37,
        embed_dims: int = 384,
        depth: int = 12,
        num_heads: int = 6,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.patch_embed = PatchEmbed(img_size=None, patch_size=patch, embed_dim=embed_dims)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + table**2, embed_dims))
        self.blocks = nn.ModuleList(
            Block(embed_dims, num_heads, qkv_bias=True, init_values=1.0) for _ in range(depth)
        )
        self.norm = LayerNorm(embed_dims)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The class token and the tokens of patches, positions added.

        Args:
            images: (B, 3, H, W) normalised; H and W are multiples of the patch.

        Returns:
            (B, 1, C) and (B, H / patch * W / patch, C), row by row.
        """
        height, width = (side // self.patch for side in images.shape[-2:])
        positions = stretch_positions(self.pos_embed[:, 1:], (height, width))
        tokens = self.patch_embed(images) + positions
        first = self.cls_token + self.pos_embed[:, :1]
        return first.expand(len(images), -1, -1), tokens


def stretch_positions(table: Tensor, size: tuple[int, int]) -> Tensor:
    """A square table of positions for a map of another size.

    Args:
        table: (1, n * n, C), row by row.
        size: (h, w).

    Returns:
        (1, h * w, C).
    """
    side = math.isqrt(table.shape[1])
    square = table.transpose(1, 2).unflatten(-1, (side, side))
    square = F.interpolate(square, size, mode="bicubic", align_corners=False)
    return square.flatten(2).transpose(1, 2)
