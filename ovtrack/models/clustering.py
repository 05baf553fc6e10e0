"""Clustering on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor


@torch.no_grad()
def kmeans(
    points: Tensor,
    num_clusters: int,
    num_init: int = 10,
    max_iters: int = 300,
    seed: int = 0,
) -> Tensor:
    """Lloyd's k-means from several greedy k-means++ starts at once; the tightest result is kept.

    Starts, their number and the largest number of steps are those of scikit-learn's ``KMeans``
    with ``n_init=10``. Its random numbers are not: where several clusterings are almost equally
    tight, it may return another. It also stops when the centres hardly move (``tol``) and moves a
    centre without points to the farthest point; here steps end when no point changes its cluster,
    and such a centre stays.

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
    for steps in _blocks(max_iters):
        for _ in range(steps):
            distances = _distances(points, squares, centres)
            labels = distances.argmin(dim=2)
            member = torch.nn.functional.one_hot(labels, num_clusters).to(points.dtype)
            sizes = member.sum(dim=1)
            means = member.transpose(1, 2) @ points / sizes[..., None].clamp(min=1)
            last, centres = centres, torch.where(sizes[..., None] > 0, means, centres)
        if torch.equal(last, centres):
            break
    inertia = distances.amin(dim=2).sum(dim=1)
    return labels.index_select(0, inertia.argmin(dim=0, keepdim=True))[0]


def _blocks(total: int) -> Iterator[int]:
    """Numbers of steps, growing, after which to look whether anything still moves.

    Each look makes the CPU wait for the device; a step too many changes nothing.
    """
    done = 0
    while done < total:
        steps = min(max(done, 4), total - done)
        yield steps
        done += steps


def _distances(points: Tensor, squares: Tensor, centres: Tensor) -> Tensor:
    """(S, N, K) squared distances of points to the centres (S, K, D) of each start."""
    cross = points @ centres.transpose(1, 2)
    return (squares[:, None] - 2 * cross + centres.square().sum(dim=2)[:, None]).clamp(min=0)


def _spread_starts(
    points: Tensor, num_clusters: int, num_init: int, generator: torch.Generator
) -> Tensor:
    """(S, K, D) starts by greedy k-means++ (Arthur, Vassilvitskii, SODA 2007, section 8).

    Every next centre is the best of ``2 + ln K`` points, each drawn with a chance that grows with
    the square of its distance to the nearest centre so far.
    """
    count, trials = len(points), 2 + int(math.log(num_clusters))
    draws = torch.rand(num_clusters, num_init, trials, generator=generator)
    draws = draws.to(points, non_blocking=True)
    starts = torch.arange(num_init, device=points.device)
    squares = points.square().sum(dim=1)
    chosen = (draws[0, :, 0] * count).long().clamp(max=count - 1)
    centres = points[chosen][:, None]
    closest = _distances(points, squares, centres)[..., 0]
    for draw in draws[1:]:
        mass = closest.cumsum(dim=1)
        drawn = torch.searchsorted(mass, draw * mass[:, -1:]).clamp(max=count - 1)  # (S, trials)
        reached = torch.minimum(
            closest[..., None], _distances(points, squares, points[drawn])
        )  # (S, N, trials)
        best = reached.sum(dim=1).argmin(dim=1)
        closest = reached[starts, :, best]
        centres = torch.cat([centres, points[drawn[starts, best]][:, None]], dim=1)
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
