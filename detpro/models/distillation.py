"""Distilling CLIP's view of regions into the image branch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.registry import MODELS


@MODELS.register_module()
class RegionDistillation(nn.Module):
    """L1 distance of region embeddings to CLIP's (ViLD, Gu et al., ICLR 2022, eq. 4).

    Args:
        loss_weight: Factor of the mean over all entries; 256 for 512 dimensions is half the L1
            distance of a region.
    """

    def __init__(self, loss_weight: float = 256.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, embeds: Tensor, teacher: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            embeds: (M, D) unit embeddings of the image branch.
            teacher: (M, D) unit CLIP embeddings of the same regions.

        Returns:
            Scalar; 0 (with a graph) without regions.

        Raises:
            InputError: Embeddings of different sizes.
        """
        if embeds.shape != teacher.shape:
            raise InputError(
                f"The teacher has {tuple(teacher.shape)} embeddings, the image branch "
                f"{tuple(embeds.shape)}: the feature bank is of another CLIP than the model's "
                "embed_dims say."
            )
        if len(embeds) == 0:
            return embeds.sum()
        return self.loss_weight * F.l1_loss(embeds, teacher.to(embeds.dtype))
