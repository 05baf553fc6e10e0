"""From frames to tokens: an image network, projections and a table of positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models.pyramid import SCALES, Pyramid, pyramid_shapes, rows

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """An image network, and what it takes for frames.

    Args:
        vit_encoder: From normalised images (B, 3, H, W) to maps (B, channels, h, w), the finest
            first.
        mean: Of RGB values from 0 to 1.
        std: Of RGB values from 0 to 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        vit_encoder: nn.Module,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.vit_encoder = vit_encoder
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def maps(self, frames: Tensor) -> Sequence[Tensor]:
        """The maps of frames (B, 3, H, W), RGB from 0 to 255."""
        return self.vit_encoder((frames / 255 - self.mean) / self.std)


class FrameEncoder(Encoder):
    """Turns a frame into one token for each patch.

    Args:
        vit_encoder: See :class:`Encoder`; its first map is at the stride of the patches.
        channels: Of that map.
        embed_dims: Channels of tokens.
        grid: (height, width) of the map, for which the positions are learned.
    """

    def __init__(
        self, vit_encoder: nn.Module, channels: int, embed_dims: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(vit_encoder)
        self.token_projection = nn.Conv2d(channels, embed_dims, 1)
        self.frame_pos_embedding = nn.Parameter(torch.zeros(1, embed_dims, *grid))
        nn.init.trunc_normal_(self.frame_pos_embedding, std=0.02)

    def forward(self, frames: Tensor) -> Tensor:
        """Tokens (B, P, C), row by row, of frames (B, 3, H, W), RGB from 0 to 255."""
        projected = self.token_projection(self.maps(frames)[0])
        return (projected + self.frame_pos_embedding).flatten(2).transpose(1, 2)


class PyramidEncoder(Encoder):
    """Turns a frame into tokens at four scales.

    Args:
        vit_encoder: See :class:`Encoder`; it gives four maps, each of half the size of the one
            before.
        channels: Of those maps.
        embed_dims: Channels of tokens.
        grid: (height, width) of the finest map, for which the positions are learned.
    """

    def __init__(
        self, vit_encoder: nn.Module, channels: int, embed_dims: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(vit_encoder)
        self.shapes = pyramid_shapes(grid)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, embed_dims)) for _ in SCALES
        )
        self.pos_embedding = nn.Parameter(torch.zeros(1, embed_dims, *grid))
        nn.init.trunc_normal_(self.pos_embedding, std=0.02)

    def forward(self, frames: Tensor) -> Pyramid:
        """The tokens of frames (B, 3, H, W), RGB from 0 to 255."""
        levels = []
        for found, project, shape in zip(
            self.maps(frames), self.projections, self.shapes, strict=True
        ):
            places = F.interpolate(self.pos_embedding, shape, mode="bilinear", align_corners=False)
            levels.append(project(rows(found)) + rows(places))
        return Pyramid(torch.cat(levels, dim=1), self.shapes)
