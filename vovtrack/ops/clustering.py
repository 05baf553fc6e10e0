"""Clustering on the device."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def kmeans(
    points: Tensor,
    num_clusters: int,
    num_init: int = 10,
    max_iters: int = 100,
    seed: int = 0,
) -> Tensor:
    """Lloyd's k-means from several k-means++ starts at once; the tightest result is kept.

    Args:
        points: (N, D).
        num_clusters: K; with fewer points each is its own cluster.
        num_init: Starts, run as one batch.
        max_iters: Steps at most.
        seed: Of the starts.

    Returns:
        (N,) int64 cluster of each point, below K.
    """
    count = len(points)
    if count <= num_clusters:
        return torch.arange(count, device=points.device)
    points = points.float()
    generator = torch.Generator().manual_seed(seed)
    centres = _spread_starts(points, num_clusters, num_init, generator)
    squares = points.square().sum(dim=1)
    labels = None
    for _ in range(max_iters):
        distances = _distances(points, squares, centres)
        nearest = distances.argmin(dim=2)
        if labels is not None and torch.equal(nearest, labels):
            break
        labels = nearest
        member = torch.nn.functional.one_hot(labels, num_clusters).to(points.dtype)
        sizes = member.sum(dim=1)
        means = member.transpose(1, 2) @ points / sizes[..., None].clamp(min=1)
        centres = torch.where(sizes[..., None] > 0, means, centres)
    inertia = distances.amin(dim=2).sum(dim=1)
    return labels[inertia.argmin()]


def _distances(points: Tensor, squares: Tensor, centres: Tensor) -> Tensor:
    """(S, N, K) squared distances of points to the centres (S, K, D) of each start."""
    cross = points @ centres.transpose(1, 2)
    return (squares[:, None] - 2 * cross + centres.square().sum(dim=2)[:, None]).clamp(min=0)


def _spread_starts(
    points: Tensor, num_clusters: int, num_init: int, generator: torch.Generator
) -> Tensor:
    """(S, K, D) starts by k-means++ (Arthur, Vassilvitskii, SODA 2007)."""
    count = len(points)
    draws = torch.rand(num_clusters, num_init, generator=generator).to(points)
    chosen = (draws[0] * count).long().clamp(max=count - 1)
    centres = points[chosen][:, None]
    squares = points.square().sum(dim=1)
    closest = _distances(points, squares, centres)[..., 0]
    for draw in draws[1:]:
        mass = closest.cumsum(dim=1)
        target = (draw * mass[:, -1])[:, None]
        chosen = torch.searchsorted(mass, target).clamp(max=count - 1)[:, 0]
        added = points[chosen][:, None]
        centres = torch.cat([centres, added], dim=1)
        closest = torch.minimum(closest, _distances(points, squares, added)[..., 0])
    return centres


def modal_cluster(labels: Tensor) -> Tensor:
    """Mark the members of the largest cluster, of equals the one with the smallest label.

    Args:
        labels: (N,) int64 clusters, not negative.

    Returns:
        (N,) bool.
    """
    if len(labels) == 0:
        return labels.bool()
    counts = torch.bincount(labels)
    return labels == (counts == counts.max()).nonzero()[0]
