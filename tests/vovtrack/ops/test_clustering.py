"""Clustering finds what is there, the same with the same seed."""

from __future__ import annotations

import pytest
import torch

from vovtrack.ops.clustering import kmeans, modal_cluster


def blobs(sizes, spread=0.05, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(len(sizes), 12) * 5
    points = [
        c + spread * torch.randn(n, 12, generator=generator)
        for c, n in zip(centres, sizes, strict=True)
    ]
    truth = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    return torch.cat(points), truth


@pytest.mark.parametrize("sizes", [[20, 5, 9], [41, 40, 3, 17, 30, 8, 11, 2]])
def test_separate_blobs_are_found(sizes):
    points, truth = blobs(sizes)
    labels = kmeans(points, len(sizes))
    assert len(labels.unique()) == len(sizes)
    for k in range(len(sizes)):
        assert len(labels[truth == k].unique()) == 1
    assert torch.equal(modal_cluster(labels), truth == int(torch.tensor(sizes).argmax()))


def test_more_starts_never_loosen_the_result():
    points = torch.randn(200, 6, generator=torch.Generator().manual_seed(1))

    def inertia(labels):
        return sum(((p := points[labels == k]) - p.mean(0)).square().sum() for k in labels.unique())

    assert inertia(kmeans(points, 8, num_init=20)) <= inertia(kmeans(points, 8, num_init=1)) + 1e-4


def test_the_seed_decides():
    points = torch.rand(60, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(kmeans(points, 4, seed=3), kmeans(points, 4, seed=3))


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_few_points_are_clusters_of_their_own(count):
    labels = kmeans(torch.rand(count, 3), 8)
    assert labels.tolist() == list(range(count))
    assert modal_cluster(labels).tolist() == [True] * min(count, 1) + [False] * max(count - 1, 0)


def test_equal_points_and_ties():
    assert kmeans(torch.ones(20, 3), 4).max() < 4
    assert modal_cluster(torch.tensor([2, 1, 1, 2, 0])).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]
