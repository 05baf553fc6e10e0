"""The vision transformers DINOv2 and DINOv3, under the names of their weights on the hub."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn

from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.point.models.pyramid import rows
from vovtrack.point.models.vit import stretch_positions
from vovtrack.point.models.vit_adapter import Block, cell_centres

MLP_RATIO = 4
"""Hidden channels of the second part of a layer, in embeddings; a property of the weights."""
Turn = tuple[Tensor, Tensor]
"""Cosines and sines (h * w, c) of the angles that the c channels of a head are turned by."""


class Frozen(nn.Module):
    """A transformer that is not learned, and may have a file of its own."""

    def freeze(self, pretrained: str | None) -> None:
        """Learn nothing of it.

        Args:
            pretrained: File of its weights, which stay where a checkpoint leaves it out.

        Raises:
            InputError: The file is missing or damaged, or of another transformer.
        """
        self.requires_grad_(False)
        if pretrained is not None:
            load_checkpoint_into(self, pretrained)
            self._register_load_state_dict_pre_hook(self._keep)

    def _keep(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        if not any(key.startswith(prefix) for key in state_dict):
            state_dict.update({prefix + key: value for key, value in self.state_dict().items()})


class Scale(nn.Module):
    """A factor for each channel.

    Args:
        embed_dims: Channels.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(embed_dims))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        return x * self.lambda1


class Layer(nn.Module):
    """Attention among tokens, then each token for itself, both added to what came in.

    Args:
        embed_dims: Channels.
        attention: From normalised tokens, and a turn if any, to what is added.
        mlp: The same of the second part.
        eps: Of the norms.
    """

    def __init__(self, embed_dims: int, attention: nn.Module, mlp: nn.Module, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims, eps)
        self.attention = attention
        self.layer_scale1 = Scale(embed_dims)
        self.norm2 = nn.LayerNorm(embed_dims, eps)
        self.mlp = mlp
        self.layer_scale2 = Scale(embed_dims)

    def forward(self, x: Tensor, turn: Turn | None = None) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        x = x + self.layer_scale1(self.attention(self.norm1(x), turn))
        return x + self.layer_scale2(self.mlp(self.norm2(x)))


def attend(q: Tensor, k: Tensor, v: Tensor, num_heads: int, turn: Turn | None = None) -> Tensor:
    """Attention among tokens (B, S, C) with several heads.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        num_heads: Attention heads.
        turn: Turns queries and keys of the last tokens by their positions.
    """
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    if turn is not None:
        q, k = rotate(q, turn), rotate(k, turn)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def rotate(x: Tensor, turn: Turn) -> Tensor:
    """Turn pairs of channels of the last tokens by angles.

    Source: rotary positions (Su et al., arXiv 2104.09864, equation 34); a pair is a channel of the
    first half with that of the second.

    Args:
        x: (B, h, S, c).
        turn: Of the last of the S tokens; those before them, which have no place, stay.
    """
    cosine, sine = (part.to(x.dtype) for part in turn)
    first, rest = x[:, :, : -len(cosine)], x[:, :, -len(cosine) :]
    low, high = rest.chunk(2, dim=-1)
    turned = rest * cosine + torch.cat([-high, low], dim=-1) * sine
    return torch.cat([first, turned], dim=2)


class Dinov2Attention(nn.Module):
    """The attention of DINOv2.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        linear = partial(nn.Linear, embed_dims, embed_dims)
        self.attention = nn.ModuleDict(dict(query=linear(), key=linear(), value=linear()))
        self.output = nn.ModuleDict(dict(dense=linear()))

    def forward(self, x: Tensor, turn: None = None) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        q, k, v = (self.attention[name](x) for name in ("query", "key", "value"))
        return self.output["dense"](attend(q, k, v, self.num_heads))


class Dinov3Attention(nn.Module):
    """The attention of DINOv3.

    Args:
        embed_dims: Channels.
        num_heads: Attention heads.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.k_proj = nn.Linear(embed_dims, embed_dims, bias=False)
        self.v_proj = nn.Linear(embed_dims, embed_dims)
        self.q_proj = nn.Linear(embed_dims, embed_dims)
        self.o_proj = nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor, turn: Turn | None = None) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        return self.o_proj(attend(q, k, v, self.num_heads, turn))


class GatedMlp(nn.Module):
    """Two linear layers, with a gate on what is between them.

    Args:
        embed_dims: Channels.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(embed_dims, MLP_RATIO * embed_dims)
        self.up_proj = nn.Linear(embed_dims, MLP_RATIO * embed_dims)
        self.down_proj = nn.Linear(MLP_RATIO * embed_dims, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, C) to (B, S, C)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Dinov2Embeddings(nn.Module):
    """What an image is to DINOv2's layers.

    Args:
        embed_dims: Channels.
        patch: Side of a patch in pixels.
        table: Patches along each side of the image that the position table was trained for.
    """

    def __init__(self, embed_dims: int, patch: int, table: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dims))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + table**2, embed_dims))
        projection = nn.Conv2d(3, embed_dims, patch, patch)
        self.patch_embeddings = nn.ModuleDict(dict(projection=projection))
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The class token (B, 1, C) and patches (B, h * w, C) of images."""
        square = self.patch_embeddings["projection"](images)
        size = (square.shape[-2], square.shape[-1])
        tokens = rows(square) + stretch_positions(self.position_embeddings[:, 1:], size)
        first = self.cls_token + self.position_embeddings[:, :1]
        return first.expand(len(images), -1, -1), tokens


class Dinov2Layers(nn.Module):
    """The layers of DINOv2.

    Args:
        embed_dims: Channels.
        depth: Number of layers.
        num_heads: Attention heads.
    """

    def __init__(self, embed_dims: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(
                embed_dims,
                Dinov2Attention(embed_dims, num_heads),
                Mlp(embed_dims, MLP_RATIO * embed_dims),
                eps=1e-6,
            )
            for _ in range(depth)
        )


class Dinov2(Frozen):
    """DINOv2 without registers (Oquab et al., arXiv 2304.07193).

    Args:
        embed_dims: Channels.
        depth: Number of layers.
        num_heads: Attention heads.
        patch: Side of a patch in pixels.
        table: Patches along each side of the image that the position table was trained for.
    """

    def __init__(
        self, embed_dims: int, depth: int, num_heads: int, patch: int = 14, table: int = 37
    ) -> None:
        super().__init__()
        self.embeddings = Dinov2Embeddings(embed_dims, patch, table)
        self.encoder = Dinov2Layers(embed_dims, depth, num_heads)
        self.layernorm = nn.LayerNorm(embed_dims, 1e-6)

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """See :meth:`Adapter.begin`."""
        return *self.embeddings(images), list(self.encoder.layer)


class Dinov3Embeddings(nn.Module):
    """What an image is to DINOv3's layers.

    Args:
        embed_dims: Channels.
        patch: Side of a patch in pixels.
        registers: Further tokens without a place.
    """

    def __init__(self, embed_dims: int, patch: int, registers: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.register_tokens = nn.Parameter(torch.zeros(1, registers, embed_dims))
        self.patch_embeddings = nn.Conv2d(3, embed_dims, patch, patch)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Class token and registers (B, 1 + n, C), and a map of patches (B, C, h, w)."""
        first = torch.cat([self.cls_token, self.register_tokens], dim=1)
        return first.expand(len(images), -1, -1), self.patch_embeddings(images)


class Dinov3(Frozen):
    """DINOv3 with gated layers, as ViT-S+/16 has them (Siméoni et al., arXiv 2508.10104).

    Positions are not a table: they turn queries and keys.

    Args:
        embed_dims: Channels.
        depth: Number of layers.
        num_heads: Attention heads.
        patch: Side of a patch in pixels.
        registers: Further tokens without a place.
        base: Ratio of the longest to the shortest period of the turns, at endlessly many channels.
    """

    def __init__(
        self,
        embed_dims: int,
        depth: int,
        num_heads: int,
        patch: int = 16,
        registers: int = 4,
        base: float = 100.0,
    ) -> None:
        super().__init__()
        self.head_dims = embed_dims // num_heads
        self.base = base
        self.embeddings = Dinov3Embeddings(embed_dims, patch, registers)
        self.layer = nn.ModuleList(
            Layer(
                embed_dims, Dinov3Attention(embed_dims, num_heads), GatedMlp(embed_dims), eps=1e-5
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dims, 1e-5)

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """See :meth:`Adapter.begin`."""
        first, square = self.embeddings(images)
        turn = self.turn((square.shape[-2], square.shape[-1]), square)
        return first, rows(square), [partial(layer, turn=turn) for layer in self.layer]

    def turn(self, size: tuple[int, int], like: Tensor) -> Turn:
        """The turns of the cells of a map of ``size``, row by row.

        A quarter of a head's channels turns with the row, a quarter with the column, each with a
        period of its own, and their partners do the same.
        """
        places = 2 * cell_centres([size], like)[0].flip(-1) - 1
        exponents = torch.arange(0, 1, 4 / self.head_dims, device=like.device)
        angles = 2 * math.pi * places[:, :, None] / self.base**exponents
        angles = angles.flatten(1).tile(2)
        return angles.cos(), angles.sin()
