"""What the network that foretells overlaps starts its training from."""

from __future__ import annotations

from copy import deepcopy

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


def test_the_way_up_is_the_gradient(net):
    """Written out, it is that of autograd; also beyond the map, and for boxes without area."""
    draws = torch.Generator().manual_seed(0)
    exact = deepcopy(net).double().eval()
    for module in exact.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(generator=draws)
            module.running_var.uniform_(0.5, 2, generator=draws)
    features, modulation = (
        [torch.randn(2, 128, *size, generator=draws).double() for size in sizes]
        for sizes in ([(18, 14), (9, 7)], [(), ()])
    )
    boxes = torch.rand(2, 6, 4, generator=draws).double() * 90 - torch.tensor([20, 20, 0, 0])
    boxes[0, 0, 2], boxes[1, 3, 3] = 0, -4
    boxes.requires_grad_()
    overlap = exact(modulation, features, boxes)
    (slope,) = torch.autograd.grad(overlap.sum(), boxes)
    modulated = [m * v[..., None, None] for m, v in zip(features, modulation, strict=True)]
    found, way = exact.climb(modulated, boxes.detach())
    torch.testing.assert_close(found, overlap, rtol=0, atol=1e-12)
    torch.testing.assert_close(way, slope, rtol=0, atol=1e-12)
    assert slope.abs().amax(dim=-1).count_nonzero() == 10
