"""Labels, distances, norms of features and weights of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vovtrack.sot.labels import (
    centre_region,
    gaussian_label,
    gaussian_map,
    normalize_density,
    side_distances,
)
from vovtrack.sot.models.features import InstanceL2Norm
from vovtrack.sot.models.iou_net import from_relative, to_relative
from vovtrack.sot.models.target_filter import distance_bins
from vovtrack.sot.sample_memory import SampleMemory

NAME = "labels_memory.npz"


@pytest.fixture
def arrays(recorded):
    found = recorded.arrays(NAME)
    return lambda key: torch.from_numpy(found[key])


@pytest.fixture
def meta(recorded):
    return recorded.meta(NAME)


def close(found, wanted, atol=1e-5):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=atol)


def test_gaussian_labels(arrays, meta):
    names = [name for name, case in meta.items() if "density" in case and "feature" in case]
    assert names
    for name in names:
        case = meta[name]
        size, stride = case["feature"], case["image"] // case["feature"]
        found = gaussian_label(
            arrays("boxes"), case["sigma_factor"], case["kernel"], size, stride, case["density"]
        )
        close(found, arrays(name))


def test_normalized_densities(arrays, meta):
    case = meta["label_density_normalized"]
    assert case["normalize"]
    size, stride = case["feature_sz"], meta["ltrb"]["stride"]
    arguments = (case["sigma_factor"], case["kernel_sz"], size, stride, True)
    density = gaussian_label(arrays("boxes"), *arguments)
    found = normalize_density(density, case["threshold"], case["shrink"])
    close(found, arrays("label_density_normalized"))
    close(found.sum(dim=(-2, -1)), torch.full((len(found),), 1 - case["shrink"]))


def test_a_density_of_a_target_elsewhere_is_uniform():
    density = torch.zeros(2, 3, 4)
    density[0, 1, 1:3] = torch.tensor([3.0, 0.02])
    found = normalize_density(density, threshold=0.1, shrink=0.2)
    assert found[0, 1, 1] == pytest.approx(0.8) and found[0].sum() == pytest.approx(0.8)
    close(found[1], torch.full((3, 4), 0.8 / 12))


def test_labels_of_the_online_tracker(arrays):
    wanted = arrays("online_label")
    # The recorded settings are in words.
    settings = [(0.9, (0.3, -4.2)), (1.4, (9, 9.5)), (0.7, (-12, 2))]
    sigmas, centres = zip(*settings, strict=True)
    found = gaussian_map(torch.tensor(centres), torch.tensor(sigmas), wanted.shape[-1] - 1, 1)
    close(found, wanted)


def test_distances_to_sides(arrays, meta):
    boxes, wanted = arrays("boxes"), arrays("ltrb_target")
    size, stride = wanted.shape[-1], meta["ltrb"]["stride"]
    close(side_distances(boxes, size, stride), wanted)
    for name, radius in (("ltrb_region", meta["ltrb"]["radius"]), ("ltrb_region_radius0", 0)):
        found = centre_region(boxes, size, stride, radius)
        assert torch.equal(found, arrays(name)[:, 0].bool())


def test_no_cell_outside_a_small_box_tells_it():
    boxes = torch.tensor([[30.0, 30.0, 12.0, 12.0]])
    region = centre_region(boxes, 6, 16, 1.0)
    assert region.nonzero().tolist() == [[0, 2, 2]]


@pytest.mark.parametrize(("name", "bins", "width"), [("dm_100", 100, 0.1), ("dm_5", 5, 1.0)])
def test_distance_bins(arrays, name, bins, width):
    wanted = arrays(name)
    found = distance_bins(arrays("dm_center"), wanted.shape[-2:], bins, width)
    close(found, wanted, atol=1e-4)
    close(found.sum(dim=1), torch.ones(wanted[:, 0].shape))


def test_instance_norm(arrays):
    feat = arrays("l2_in")
    close(InstanceL2Norm(math.sqrt(1 / 128))(feat), arrays("l2_out"))


def test_relative_boxes(arrays):
    boxes = arrays("boxes")
    found = to_relative(boxes, boxes[:1, 2:])
    close(found, arrays("rel_boxes"))
    close(from_relative(found, boxes[:1, 2:]), arrays("rel_back"), atol=1e-3)


def test_weights_of_samples(arrays, meta):
    names = [name for name in meta if name.startswith("memory_")]
    assert names
    for name in names:
        case = meta[name]
        for kind in (name, f"{name}_cert"):
            memory = SampleMemory(case["size"], case["initial"], case["floor"])
            rates = arrays(f"{kind}_lr").tolist()
            certain = arrays(f"{kind}_in").tolist() if kind != name else [None] * len(rates)
            for step, (rate, certainty) in enumerate(zip(rates, certain, strict=True)):
                assert memory.insert(rate, certainty) == arrays(f"{kind}_slot")[step]
                close(memory.weights, arrays(f"{kind}_weights")[step], atol=1e-6)


def test_initial_samples_keep_their_share():
    memory = SampleMemory(size=8, initial=3, floor=0.25)
    for step in range(60):
        slot = memory.insert(0.2)
        assert 3 <= slot < 8 and memory.weights[slot] == memory.weights[3:].max()
        assert memory.weights.sum() == pytest.approx(1) and memory.count == step + 4
        assert len(memory.filled()) == min(memory.count, 8)
    assert memory.weights[:3].tolist() == pytest.approx([0.25 / 3] * 3)
