"""Graphs of a window: ours against a loop over pairs of frames and over tracks.

    python tools/benchmarks/graph_building.py [--detections 60] [--frames 150] [--width 2048]

From detections and the clusters of each level to its pairs and their features, of the four levels
of LG-MOT. Both see the same window in several rounds in turns. The pairs must be identical, and the
features equal. ``--ours-only`` builds ours alone and prints the most memory the process had.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from arguments import parse
from torch import Tensor

from vovtrack.graph.detections import Detections, Nodes, centred, feet, nodes_of
from vovtrack.graph.levels import Graph, Level, build_graph
from vovtrack.graph.motion import NO_MOTION, Motion, motion_score

REACH = (5, 25, 75, 150)
LEVELS = (
    Level(REACH[0], pruning="geometry"),
    *(Level(b, motion_length=a, motion_horizon=a) for a, b in zip(REACH, REACH[1:], strict=False)),
)
FPS = 25.0

Clusters = list[Tensor | None]


def make_window(args: argparse.Namespace) -> tuple[Detections, Clusters]:
    """Detections of objects that walk about, and what each level merges of them: most it should."""
    rng = np.random.default_rng(0)
    count, frames = args.detections, args.frames
    place = rng.uniform(0, 1500, (1, count, 2)) + np.cumsum(
        rng.normal(rng.normal(0, 2, (1, count, 2)), 0.5, (frames, count, 2)), axis=0
    )
    size = rng.uniform((30, 80), (50, 120), (count, 2)) * rng.uniform(0.98, 1.02, (frames, 1, 1))
    noise = 0.5 * rng.standard_normal((frames, 1, args.width), dtype=np.float32)
    looks = rng.standard_normal((count, args.width), dtype=np.float32) + noise
    frame = np.repeat(np.arange(frames), count)
    box = np.concatenate([place - size / 2, size], axis=2).reshape(-1, 4)
    looks = looks.reshape(-1, args.width)
    looks += 0.3 * rng.standard_normal(looks.shape, dtype=np.float32)
    detections = Detections.of(frame, box, looks, FPS)
    who = np.tile(np.arange(count), frames)
    part = rng.integers(0, 2, len(frame))  # many objects are still in two clusters
    clusters: Clusters = [None]
    for reach in REACH[:-1]:
        key = (frame // reach * count + who) * 2 + part
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        clusters.append(torch.from_numpy(rank[number]))
    return detections, clusters


def loop_motion(detections: Detections, cluster: Tensor, count: int, length: int) -> Motion:
    """Motion of one track after another, its gaps filled."""
    boxes = centred(detections.box).numpy()
    velocity, known = np.zeros((2, count, 4), dtype=np.float32), np.zeros((2, count), dtype=bool)
    for number in range(count):
        rows = torch.nonzero(cluster == number)[:, 0].numpy()
        for side, frames in enumerate((detections.frame[rows].numpy(),) * 2):
            near = frames > frames[-1] - length if side == 0 else frames < frames[0] + length
            if near.sum() < 2:
                continue
            times = np.arange(frames[near][0], frames[near][-1] + 1)
            track = [np.interp(times, frames[near], boxes[rows[near], k]) for k in (0, 1)]
            steps = np.diff(np.stack(track, axis=1), axis=0)
            velocity[side, number, :2] = steps.mean(axis=0) if side == 0 else -steps.mean(axis=0)
            known[side, number] = True
    forward, backward = torch.from_numpy(velocity)
    return Motion(forward, backward, torch.from_numpy(known.all(axis=0)))


def loop_nearest(pairs: Tensor, score: Tensor, count: int, k: int) -> Tensor:
    """Pairs that both their nodes choose, each its best unused one so many times."""
    node, both = pairs.flatten(), score.repeat(2)
    chosen = torch.zeros_like(both, dtype=torch.bool)
    for _ in range(k):
        left = torch.where(chosen, float("inf"), both)
        best = left.new_full((count,), float("inf")).scatter_reduce_(0, node, left, "amin")
        chosen |= (left == best[node]) & left.isfinite()
    return chosen.view(2, -1).all(dim=0)


def loop_graph(detections: Detections, cluster: Tensor | None, level: Level) -> Graph:
    """The graph of a level, one pair of frames after another."""
    nodes: Nodes = nodes_of(detections, cluster)
    motion = None
    if cluster is not None:
        motion = loop_motion(detections, cluster, len(nodes), level.motion_length)
    chunk = (nodes.start - nodes.start[0]) // level.coverage
    last, parts = int(nodes.end.max()), []
    for end in range(int(nodes.start[0]), last + 1):
        first = torch.nonzero(nodes.end == end)[:, 0]
        if not len(first):
            continue
        until = (end // level.coverage + 1) * level.coverage
        for start in range(end + 1, min(until, last + 1)):
            second = torch.nonzero(nodes.start == start)[:, 0]
            pairs = torch.cartesian_prod(first, second).T
            if pairs.numel():
                parts.append(loop_pairs(nodes, motion, pairs, level))
    pairs, score, features = (torch.cat(column, dim=-1) for column in zip(*parts, strict=True))
    assert (chunk[pairs[0]] == chunk[pairs[1]]).all()
    kept = loop_nearest(pairs, score, len(nodes), level.neighbours)
    order = np.lexsort(pairs[:, kept].numpy()[::-1])
    return Graph(nodes, pairs[:, kept][:, order], features.T[kept][order])


def loop_pairs(
    nodes: Nodes, motion: Motion | None, pairs: Tensor, level: Level
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of two frames with their scores and features."""
    first, second = pairs
    before, after = nodes.end_box[first], nodes.start_box[second]
    way = feet(after) - feet(before)
    distance = F.pairwise_distance(nodes.embedding[first], nodes.embedding[second])
    height = (before[:, 3] + after[:, 3]) / 2
    features = [
        (nodes.start[second] - nodes.end[first]) / FPS,
        way[:, 0] / height,
        way[:, 1] / height,
        (after[:, 3] / before[:, 3]).log(),
        (after[:, 2] / before[:, 2]).log(),
        distance,
    ]
    if motion is None:
        return pairs, way.norm(dim=1), torch.stack(features)
    met = motion_score(nodes, motion, pairs, level.motion_horizon)
    score = 2 - (0.05 * met + 0.95 * (-distance / 20).exp())
    return pairs, score, torch.stack([*features, met])


Build = Callable[[Detections, Tensor | None, Level], Graph]


def timed(build: Build, detections: Detections, clusters: Clusters) -> tuple[float, list[Graph]]:
    """Processor seconds of all levels, and their graphs."""
    start = time.process_time()
    levels = zip(clusters, LEVELS, strict=True)
    graphs = [build(detections, cluster, level) for cluster, level in levels]
    return time.process_time() - start, graphs


def check(ours: list[Graph], loop: list[Graph]) -> int:
    """Compare all levels; the number of pairs that were kept."""
    for a, b in zip(ours, loop, strict=True):
        order = np.lexsort(a.pairs.numpy()[::-1])
        assert torch.equal(a.pairs[:, order], b.pairs), "the pairs differ"
        known = (a.features[order] != NO_MOTION) == (b.features != NO_MOTION)
        assert known.all(), "they differ in what is known"
        torch.testing.assert_close(a.features[order], b.features, rtol=1e-4, atol=1e-3)
    return sum(graph.pairs.shape[1] for graph in ours)


def main() -> None:
    """Build the same window both ways and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=60, help="per frame")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--width", type=int, default=2048, help="of embeddings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true")
    args = parse(parser, detections=4, frames=100, width=16, rounds=1)
    torch.set_num_threads(1)
    detections, clusters = make_window(args)
    ours, loop, kept = [], [], 0
    for _ in range(args.rounds):
        seconds, graphs = timed(build_graph, detections, clusters)
        ours.append(seconds)
        if not args.ours_only:
            seconds, looped = timed(loop_graph, detections, clusters)
            loop.append(seconds)
            kept = check(graphs, looped)
    print(f"{len(detections)} detections, ours: {1e3 * np.median(ours):.1f} ms")
    if loop:
        ratio = np.median(loop) / np.median(ours)
        print(f"loop: {1e3 * np.median(loop):.1f} ms, ratio: {ratio:.1f}, the same {kept} pairs")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"most memory of the process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
