"""From frames to tokens: an image network, a projection and a table of positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FrameEncoder(nn.Module):
    """Turns a frame into one token for each patch.

    Args:
        vit_encoder: Gives, of normalised images (B, 3, H, W), maps of which the first is
            (B, channels, H / stride, W / stride).
        channels: Of that map.
        embed_dims: Channels of tokens.
        grid: (height, width) of the map, for which the positions are learned.
        mean: Of RGB values from 0 to 1.
        std: Of RGB values from 0 to 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        vit_encoder: nn.Module,
        channels: int,
        embed_dims: int,
        grid: tuple[int, int],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.vit_encoder = vit_encoder
        self.token_projection = nn.Conv2d(channels, embed_dims, 1)
        self.frame_pos_embedding = nn.Parameter(torch.zeros(1, embed_dims, *grid))
        nn.init.trunc_normal_(self.frame_pos_embedding, std=0.02)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Tokens (B, P, C), row by row, of frames (B, 3, H, W), RGB from 0 to 255."""
        images = (frames / 255 - self.mean) / self.std
        projected = self.token_projection(self.vit_encoder(images)[0])
        return (projected + self.frame_pos_embedding).flatten(2).transpose(1, 2)
