"""What people look like, told by a network that was trained to know them again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.model import BaseModule
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from vovtrack.registry import MODELS

_DEPTHS = (3, 4, 6, 3)
_MIXED_STAGES = 3
"""Stages whose blocks normalise half of their channels image by image."""


class InstanceBatchNorm(nn.Module):
    """Half of the channels are normalised image by image, the others over the batch.

    IBN-a of IBN-Net (Pan et al., ECCV 2018): appearance changes less what the first half says.

    Args:
        channels: Of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        alone = channels // 2
        self.IN = nn.InstanceNorm2d(alone, affine=True)
        self.BN = nn.BatchNorm2d(channels - alone)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        alone, together = x.split([self.IN.num_features, self.BN.num_features], dim=1)
        return torch.cat([self.IN(alone), self.BN(together)], dim=1)


class IBNResNet50(ResNet):
    """ResNet-50 with IBN-a, whose last stage keeps its size; maps instead of classes."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, list(_DEPTHS))
        del self.fc, self.avgpool
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        for block in list(self.children())[4 : 4 + _MIXED_STAGES]:
            for bottleneck in block:
                bottleneck.bn1 = InstanceBatchNorm(bottleneck.bn1.num_features)
        first = self.layer4[0]
        first.conv2.stride = first.downsample[0].stride = (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) to maps (B, 2048, H / 16, W / 16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


@MODELS.register_module()
class ReIDNet(BaseModule):
    """BoT with ResNet-50 IBN (Luo et al., CVPR workshops 2019), as fast-reid trains it.

    Args:
        size: (height, width) that crops are resized to.
        mean: Of red, green and blue, from 0 to 255.
        std: Of these.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        size: tuple[int, int] = (256, 128),
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        super().__init__()
        self.size = size
        self.backbone = IBNResNet50()
        self.bottleneck = nn.BatchNorm2d(self.backbone.inplanes)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def prepare(self, crops: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Crops (h, w, 3) in RGB to images (B, 3, height, width) from 0 to 255, at least one."""
        height, width = self.size
        resized = [
            Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC)
            for crop in crops
        ]
        images = torch.from_numpy(np.stack([np.asarray(image) for image in resized]))
        return images.permute(0, 3, 1, 2).to(self.mean.device, torch.float32)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, 2048) of images (B, 3, height, width) from 0 to 255."""
        maps = self.backbone((images - self.mean) / self.std)
        return self.bottleneck(maps.mean(dim=(2, 3), keepdim=True)).flatten(1)

    @torch.no_grad()
    def embed(self, crops: Sequence[NDArray[np.uint8]], batch: int = 64) -> Tensor:
        """Embeddings (N, 2048) of crops (h, w, 3) in RGB.

        Args:
            crops: Any number.
            batch: Images at once.
        """
        parts = [
            self(self.prepare(crops[first : first + batch]))
            for first in range(0, len(crops), batch)
        ]
        return torch.cat(parts) if parts else self.mean.new_empty(0, self.backbone.inplanes)
