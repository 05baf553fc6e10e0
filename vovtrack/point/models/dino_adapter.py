"""DINOv2 and DINOv3 with an adapter, under the names of Track-On2's published weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vovtrack.point.models.dino import Dinov2, Dinov3
from vovtrack.point.models.vit_adapter import Adapter, Block
from vovtrack.registry import MODELS


@MODELS.register_module()
class Dinov2Adapter(Adapter):
    """DINOv2 with an adapter.

    Args:
        embed_dims: Channels of the transformer and of the maps.
        depth: Layers of the transformer.
        num_heads: Its attention heads.
        adapter_heads: Heads of the deformable attention.
        interactions: Number of exchanges, each after as many of its layers.
        extra_extractors: Further extractors of the last exchange.
        recompute: See :meth:`Adapter.add_parts`.
        patch: Side of the transformer's patches in pixels.
        table: Patches along each side of its position table.
        pretrained: File of the transformer's own weights, under the names of
            ``facebook/dinov2-small``; without it they come with a checkpoint, or are random.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        adapter_heads: int = 6,
        interactions: int = 4,
        extra_extractors: int = 2,
        recompute: bool = False,
        patch: int = 14,
        table: int = 37,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.dinov2 = Dinov2(embed_dims, depth, num_heads, patch, table)
        self.dinov2.freeze(pretrained)
        self.add_parts(
            embed_dims, depth, interactions, adapter_heads, extra_extractors, 4, recompute
        )

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """See :meth:`Adapter.begin`."""
        return self.dinov2.begin(images)


@MODELS.register_module()
class Dinov3Adapter(Adapter):
    """DINOv3 with an adapter.

    Args:
        embed_dims: Channels of the transformer and of the maps.
        depth: Layers of the transformer.
        num_heads: Its attention heads.
        adapter_heads: Heads of the deformable attention.
        interactions: Number of exchanges, each after as many of its layers.
        extra_extractors: Further extractors of the last exchange.
        recompute: See :meth:`Adapter.add_parts`.
        patch: Side of the transformer's patches in pixels.
        zoom: By how much the transformer sees the image enlarged.
        pretrained: File of the transformer's own weights, under the names of
            ``facebook/dinov3-vits16plus-pretrain-lvd1689m``. The published checkpoints leave them
            out, since they are given on request only.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        adapter_heads: int = 6,
        interactions: int = 4,
        extra_extractors: int = 2,
        recompute: bool = False,
        patch: int = 16,
        zoom: float = 1.0,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.zoom = zoom
        self.dinov3 = Dinov3(embed_dims, depth, num_heads, patch)
        self.dinov3.freeze(pretrained)
        self.add_parts(
            embed_dims, depth, interactions, adapter_heads, extra_extractors, 4, recompute
        )

    def begin(self, images: Tensor) -> tuple[Tensor, Tensor, Sequence[Block]]:
        """See :meth:`Adapter.begin`."""
        return self.dinov3.begin(images)
