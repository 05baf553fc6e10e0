"""What the network that foretells overlaps starts its training from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vovtrack.sot.models.iou_net import IoUNet


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return IoUNet((64, 128), channels=128)


def test_layers_keep_the_size_of_what_they_see(net):
    """Behind a ReLU: the variance of a weight is 2 over the number of inputs."""
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.numel() > 1000:
            spread = float(layer.weight.detach().std())
            assert spread == pytest.approx((2 / layer.weight[0].numel()) ** 0.5, rel=0.05), name


def test_norms_weigh_channels_differently(net):
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    weights = torch.cat([norm.weight.detach() for norm in norms])
    assert 0 <= weights.min() < 0.05 and 0.95 < weights.max() <= 1
    assert float(weights.mean()) == pytest.approx(0.5, abs=0.05)
