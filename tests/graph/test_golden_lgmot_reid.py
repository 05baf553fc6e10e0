"""The network that tells what people look like, with drawn weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graph.recordings import close
from tests.seeded import seeded_state_dict
from vovtrack.graph.models import ReIDNet
from vovtrack.graph.models.keys import REID_KEYS

TOLERANCE = 1e-4
STAGES = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def net(recorded):
    shapes = recorded.json("checkpoint_keys_reid.json")
    weights = seeded_state_dict(shapes, recorded.salt)
    REID_KEYS.apply(weights)
    built = ReIDNet().eval()
    built.load_state_dict(weights)
    return built


@pytest.fixture(scope="module")
def arrays(recorded):
    return recorded.arrays("reid.npz")


@pytest.fixture(scope="module")
def crops(arrays) -> list[np.ndarray]:
    count = sum(name.startswith("crop") for name in arrays.files)
    assert count
    return [arrays[f"crop{k}"] for k in range(count)]


def test_only_the_classifier_of_training_is_dropped(recorded, net):
    shapes = recorded.json("checkpoint_keys_reid.json")
    ours = {REID_KEYS.translate(key)[0]: tuple(shape) for key, shape in shapes.items()}
    ours.pop(None)
    assert ours == {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert [key for key in shapes if REID_KEYS.translate(key)[0] is None] == ["heads.weight"]


def test_images(net, arrays, crops):
    close(net.prepare(crops)[:, :, ::16, ::16], arrays["input_slice"])


def test_stages(net, arrays, crops):
    maps: dict[str, torch.Tensor] = {}
    hooks = [
        getattr(net.backbone, stage).register_forward_hook(
            lambda _, __, output, stage=stage: maps.__setitem__(stage, output)
        )
        for stage in STAGES
    ]
    features = net.embed(crops)
    for hook in hooks:
        hook.remove()
    close(features, arrays["features"], TOLERANCE)
    for stage in STAGES:
        found = maps[stage]
        assert list(found.shape) == arrays[f"shape_{stage}"].tolist()
        channels = found.shape[1] // 8
        close(found[0, ::channels, ::8, ::8], arrays[f"slice_{stage}"], TOLERANCE)
    pooled = maps[STAGES[-1]].mean(dim=(2, 3))
    assert [*pooled.shape, 1, 1] == arrays["shape_pool"].tolist()
    close(pooled[:, ::64], arrays["slice_pool"], TOLERANCE)


def test_batches_change_nothing(net, crops):
    torch.testing.assert_close(net.embed(crops, batch=1), net.embed(crops), rtol=1e-4, atol=1e-5)
    assert net.embed([]).shape == (0, 2048)
