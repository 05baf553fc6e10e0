"""From pooled region features to a unit vector in the space of the text embeddings."""

from __future__ import annotations

import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor


class RegionBranch(BaseModule):
    """Convolutions, one hidden layer and a projection: one trunk of the two-branch box head.

    Source: ViLD (Gu et al., ICLR 2022, section 3.3) as built by DetPro (Du et al., CVPR 2022).

    Args:
        in_channels: Channels of the region features.
        num_convs: 3x3 convolutions, each with normalisation and ReLU.
        conv_channels: Their channels.
        hidden_dims: Width of the hidden layer.
        embed_dims: Dimension of the text embeddings.
        roi_feat_size: Side of the pooled region.
        norm_cfg: Normalisation of the convolutions.
    """

    def __init__(
        self,
        in_channels: int = 256,
        num_convs: int = 4,
        conv_channels: int = 256,
        hidden_dims: int = 1024,
        embed_dims: int = 512,
        roi_feat_size: int = 7,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            init_cfg=dict(
                type="Xavier", distribution="uniform", override=[dict(name="fc"), dict(name="proj")]
            )
        )
        channels = [in_channels] + [conv_channels] * num_convs
        self.convs = nn.Sequential(
            *(
                ConvModule(a, b, 3, padding=1, norm_cfg=norm_cfg)
                for a, b in zip(channels[:-1], channels[1:], strict=True)
            )
        )
        self.fc = nn.Linear(channels[-1] * roi_feat_size**2, hidden_dims)
        self.proj = nn.Linear(hidden_dims, embed_dims)

    def forward(self, roi_feats: Tensor) -> tuple[Tensor, Tensor]:
        """Describe regions.

        Args:
            roi_feats: (N, C, S, S) pooled features.

        Returns:
            Hidden features (N, hidden_dims) and float32 unit embeddings (N, embed_dims).
        """
        hidden = F.relu(self.fc(self.convs(roi_feats).flatten(1)))
        return hidden, F.normalize(self.proj(hidden).float(), dim=1)
