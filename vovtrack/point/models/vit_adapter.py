"""ViT-Adapter: a frozen vision transformer that exchanges with a pyramid of convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vovtrack.point.models.deformable import MultiScaleDeformableAttention
from vovtrack.point.models.pyramid import Pyramid
from vovtrack.point.models.vit import VisionTransformer
from vovtrack.registry import MODELS

Shapes = Sequence[tuple[int, int]]
Block = Callable[[Tensor], Tensor]
STRIDES = (4, 8, 16, 32)
"""Pixels between the cells of the four maps."""


def cell_centres(shapes: Shapes, like: Tensor) -> Tensor:
    """(1, S, 2) centres (x, y) of the cells of maps, each from 0 to 1, row by row."""
    maps = [
        torch.stack(
            torch.meshgrid(
                (torch.arange(width, device=like.device) + 0.5) / width,
                (torch.arange(height, device=like.device) + 0.5) / height,
                indexing="xy",
            ),
            dim=-1,
        ).flatten(0, 1)
        for height, width in shapes
    ]
    return torch.cat(maps)[None]


def conv_norm_relu(channels: Sequence[int], strides: Sequence[int]) -> list[nn.Module]:
    """Convolutions of 3x3 without bias, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before, after, stride in zip(channels[:-1], channels[1:], strides, strict=True):
        layers.append(nn.Conv2d(before, after, 3, stride, padding=1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return layers


class SpatialPrior(nn.Module):
    """Convolutions that keep what patches of 14 pixels lose, at four strides.

    Args:
        width: Channels of the first convolutions.
        embed_dims: Channels of all four maps.
    """

    def __init__(self, width: int = 64, embed_dims: int = 384) -> None:
        super().__init__()
        pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stem = nn.Sequential(
            *conv_norm_relu((3, width, width, width), (2, 1, 1)),
            pool,
        )
        self.conv2 = nn.Sequential(*conv_norm_relu((width, 2 * width), (2,)))
        self.conv3 = nn.Sequential(*conv_norm_relu((2 * width, 4 * width), (2,)))
        self.conv4 = nn.Sequential(*conv_norm_relu((4 * width, 4 * width), (2,)))
        self.fc1 = nn.Conv2d(width, embed_dims, 1)
        self.fc2 = nn.Conv2d(2 * width, embed_dims, 1)
        self.fc3 = nn.Conv2d(4 * width, embed_dims, 1)
        self.fc4 = nn.Conv2d(4 * width, embed_dims, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps (B, C, H / s, W / s) of images (B, 3, H, W) at the strides s of ``STRIDES``."""
        c1 = self.stem(images)
        c2 = self.conv2(c1)
        c3 = self.conv3(c2)
        c4 = self.conv4(c3)
        return self.fc1(c1), self.fc2(c2), self.fc3(c3), self.fc4(c4)


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of every channel alone, on each of several maps.

    Args:
        embed_dims: Channels.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(embed_dims, embed_dims, 3, padding=1, groups=embed_dims)

    def forward(self, tokens: Tensor, shapes: Shapes) -> Tensor:
        """(B, S, C) to (B, S, C): the cells of all maps, row by row."""
        maps = tokens.transpose(1, 2).split([height * width for height, width in shapes], dim=-1)
        done = [self.dwconv(m.unflatten(-1, shape)) for m, shape in zip(maps, shapes, strict=True)]
        return torch.cat([m.flatten(2) for m in done], dim=-1).transpose(1, 2)


class ConvFFN(nn.Module):
    """Two linear layers with a depth-wise convolution between them.

    Args:
        embed_dims: Channels in and out.
        hidden: Channels between.
    """

    def __init__(self, embed_dims: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dims, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, embed_dims)

    def forward(self, tokens: Tensor, shapes: Shapes) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        return self.fc2(F.gelu(self.dwconv(self.fc1(tokens), shapes)))


class Injector(nn.Module):
    """Brings the pyramid of convolutions into the tokens of the transformer.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.query_norm = LayerNorm(embed_dims)
        self.feat_norm = LayerNorm(embed_dims)
        self.attn = MultiScaleDeformableAttention(embed_dims, num_heads, num_levels=3)
        self.gamma = nn.Parameter(torch.zeros(embed_dims))

    def forward(self, tokens: Tensor, pyramid: Tensor, size: tuple[int, int], shapes: Shapes):
        """The tokens (B, h * w, C) of a map of ``size``, changed by the pyramid (B, S, C)."""
        places = cell_centres([size], tokens).expand(len(tokens), -1, -1)
        read = self.attn(self.query_norm(tokens), self.feat_norm(pyramid), places, shapes)
        return tokens + self.gamma * read


class Extractor(nn.Module):
    """Brings the tokens of the transformer into the pyramid.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        ffn_ratio: Hidden channels of the last part, as a share of ``embed_dims``.
    """

    def __init__(self, embed_dims: int, num_heads: int, ffn_ratio: float = 0.25) -> None:
        super().__init__()
        self.query_norm = LayerNorm(embed_dims)
        self.feat_norm = LayerNorm(embed_dims)
        self.attn = MultiScaleDeformableAttention(embed_dims, num_heads, num_levels=1)
        self.ffn = ConvFFN(embed_dims, int(embed_dims * ffn_ratio))
        self.ffn_norm = LayerNorm(embed_dims)

    def forward(self, pyramid: Tensor, tokens: Tensor, size: tuple[int, int], shapes: Shapes):
        """The pyramid (B, S, C), changed by the tokens (B, h * w, C) of a map of ``size``."""
        places = cell_centres(shapes, pyramid).expand(len(pyramid), -1, -1)
        read = self.attn(self.query_norm(pyramid), self.feat_norm(tokens), places, [size])
        pyramid = pyramid + read
        return pyramid + self.ffn(self.ffn_norm(pyramid), shapes)


class Interaction(nn.Module):
    """One exchange: into the transformer, through some of its layers, and back.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
        extra: Further extractors at the end.
    """

    def __init__(self, embed_dims: int, num_heads: int, extra: int = 0) -> None:
        super().__init__()
        self.injector = Injector(embed_dims, num_heads)
        self.extractor = Extractor(embed_dims, num_heads)
        if extra:
            self.extra_extractors = nn.ModuleList(
                Extractor(embed_dims, num_heads) for _ in range(extra)
            )

    def forward(
        self,
        first: Tensor,
        tokens: Tensor,
        pyramid: Tensor,
        blocks: Iterable[Block],
        size: tuple[int, int],
        shapes: Shapes,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Exchange.

        Args:
            first: (B, n, C) class token, and registers if there are any.
            tokens: (B, h * w, C) of the transformer.
            pyramid: (B, S, C).
            blocks: Layers of the transformer.
            size: (h, w) of the transformer's map.
            shapes: (height, width) of the maps of the pyramid.

        Returns:
            The first three, changed.
        """
        tokens = self.injector(tokens, pyramid, size, shapes)
        joined = torch.cat([first, tokens], dim=1)
        for block in blocks:
            joined = block(joined)
        first, tokens = joined.split([first.shape[1], tokens.shape[1]], dim=1)
        for extractor in (self.extractor, *getattr(self, "extra_extractors", ())):
            pyramid = extractor(pyramid, tokens, size, shapes)
        return first, tokens, pyramid


class Adapter(nn.Module):
    """Maps at four strides from a transformer that stays as it was trained.

    Source: ViT-Adapter (Chen et al., arXiv 2205.08534, section 3), as Track-On uses it. A subclass
    has the transformer, which is frozen and sees the image resized to whole patches.

    Attributes:
        patch: Side of the transformer's patches in pixels.
        zoom: By how much the transformer sees the image enlarged.
    """

    patch: int
    zoom: float = 1.0

    def add_parts(
        self,
        embed_dims: int,
        depth: int,
        interactions: int,
        adapter_heads: int,
        extra_extractors: int,
        outputs: int,
        recompute: bool = False,
    ) -> None:
        """Make what is learned beside the transformer.

        Args:
            embed_dims: Channels of the transformer and of the maps.
            depth: Layers of the transformer.
            interactions: Number of exchanges, each after as many of its layers.
            adapter_heads: Heads of the deformable attention.
            extra_extractors: Further extractors of the last exchange.
            outputs: How many of the four maps, the finest first, are wanted.
            recompute: Keep nothing within the exchanges for the gradients but compute it again:
                slower, in less memory.
        """
        self.embed_dims = embed_dims
        self.outputs = outputs
        self.recompute = recompute
        self.span = depth // interactions
        self.level_embed = nn.Parameter(torch.zeros(3, embed_dims))
        self.spm = SpatialPrior(embed_dims=embed_dims)
        last = interactions - 1
        self.interactions = nn.ModuleList(
            Interaction(embed_dims, adapter_heads, extra_extractors if index == last else 0)
            for index in range(interactions)
        )
        self.up = nn.ConvTranspose2d(embed_dims, embed_dims, 2, 2)
        self.norm1 = nn.BatchNorm2d(embed_dims)
        self.norm2 = nn.BatchNorm2d(embed_dims)
        self.norm3 = nn.BatchNorm2d(embed_dims)
        self.norm4 = nn.BatchNorm2d(embed_dims)
        nn.init.normal_(self.level_embed)

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """What the transformer makes of images (B, 3, h * patch, w * patch).

        Returns:
            (B, n, C) class token, and registers if there are any, (B, h * w, C) tokens of patches,
            row by row, and the layers that they go through, together.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The finest ``outputs`` maps, (B, C, H / s, W / s) with s of ``STRIDES``.

        Args:
            images: (B, 3, H, W) normalised; H and W are multiples of 32.
        """
        fine, *coarse = self.spm(images)
        shapes = [tuple(level.shape[-2:]) for level in coarse]
        embedded = [
            level.flatten(2).transpose(1, 2) + mark
            for level, mark in zip(coarse, self.level_embed, strict=True)
        ]
        pyramid = torch.cat(embedded, dim=1)
        height, width = (int(side * self.zoom) // self.patch for side in images.shape[-2:])
        size, pixels = (height, width), (height * self.patch, width * self.patch)
        resized = F.interpolate(images, pixels, mode="bilinear", align_corners=False)
        first, tokens, blocks = self.begin(resized)
        for index, interaction in enumerate(self.interactions):
            own = blocks[index * self.span : (index + 1) * self.span]
            inputs = (first, tokens, pyramid, own, size, shapes)
            if self.recompute and torch.is_grad_enabled():
                first, tokens, pyramid = checkpoint(interaction, *inputs, use_reentrant=False)
            else:
                first, tokens, pyramid = interaction(*inputs)
        return self._maps(fine, pyramid, shapes)

    def _maps(self, fine: Tensor, pyramid: Tensor, shapes: Shapes) -> tuple[Tensor, ...]:
        maps = Pyramid(pyramid, tuple(shapes)).maps()
        maps.insert(0, self.up(maps[0]) + fine)
        norms = (self.norm1, self.norm2, self.norm3, self.norm4)
        return tuple(norm(m) for norm, m in zip(norms[: self.outputs], maps, strict=False))


@MODELS.register_module()
class ViTAdapter(Adapter, VisionTransformer):
    """DINOv2 with an adapter, under the names of Track-On v1.

    Args:
        embed_dims: Channels of the transformer and of the maps.
        depth: Layers of the transformer.
        num_heads: Its attention heads.
        interactions: Number of exchanges, each after as many of its layers.
        adapter_heads: Heads of the deformable attention.
        extra_extractors: Further extractors of the last exchange.
        outputs: How many of the four maps, the finest first, are wanted.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        interactions: int = 4,
        adapter_heads: int = 6,
        extra_extractors: int = 2,
        outputs: int = 1,
    ) -> None:
        super().__init__(embed_dims=embed_dims, depth=depth, num_heads=num_heads)
        self.requires_grad_(False)
        self.add_parts(embed_dims, depth, interactions, adapter_heads, extra_extractors, outputs)

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """See :meth:`Adapter.begin`."""
        return *self.embed(images), list(self.blocks)
