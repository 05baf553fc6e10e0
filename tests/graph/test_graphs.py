"""Graphs against plain loops, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from vovtrack.errors import InputError
from vovtrack.graph.detections import Detections, Nodes, join, nodes_of
from vovtrack.graph.interpolation import TrackRows, finish_tracks
from vovtrack.graph.labels import edge_labels
from vovtrack.graph.levels import Level, build_graph, check_levels
from vovtrack.graph.motion import motion_of
from vovtrack.graph.pairs import candidate_pairs
from vovtrack.graph.pruning import Measure, motion_weight, nearest, prune
from vovtrack.graph.rounding import clusters_of, round_links
from vovtrack.graph.similarity import embedding_distance

FIRST, SECOND = Level(5, "geometry", neighbours=4), Level(25, "motion_005", 5, 5, neighbours=3)


def make_clip(seed: int, objects: int = 6, frames: int = 30, first: int = 1) -> Detections:
    rng = np.random.default_rng(seed)
    seen = rng.random((frames, objects)) < 0.8
    frame, identity = seen.nonzero()
    place = rng.uniform(0, 300, (objects, 2)) + rng.normal(0, 3, (objects, 2)) * frame.max() / 2
    corner = place[identity] + rng.normal(0, 2, (len(frame), 2)) + frame[:, None]
    box = np.hstack([corner, rng.uniform(20, 40, (len(frame), 2))])
    looks = rng.normal(size=(objects, 8))[identity] + 0.2 * rng.normal(size=(len(frame), 8))
    return Detections.of(frame + first, box, looks, 20, identity)


def clusters_by_identity(clip: Detections, reach: int) -> torch.Tensor:
    chunk = (clip.frame - clip.frame[0]) // reach
    key = (chunk * 1000 + clip.identity).numpy()
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return torch.from_numpy(np.argsort(np.argsort(first))[number])


def loop_pairs(nodes: Nodes, coverage: int) -> set[tuple[int, int]]:
    chunk = ((nodes.start - nodes.start[0]) // coverage).tolist()
    start, end = nodes.start.tolist(), nodes.end.tolist()
    return {
        (i, j)
        for i, j in itertools.permutations(range(len(start)), 2)
        if chunk[i] == chunk[j] and end[i] < start[j]
    }


@pytest.mark.parametrize("level", [FIRST, SECOND])
def test_candidates_are_those_of_a_double_loop(level):
    clip = make_clip(0)
    nodes = nodes_of(clip, clusters_by_identity(clip, 5) if level.motion_length else None)
    pairs = candidate_pairs(nodes.start, nodes.end, level.coverage)
    found = list(map(tuple, pairs.all().T.tolist()))
    assert set(found) == loop_pairs(nodes, level.coverage) and len(found) == pairs.total
    blocks = list(pairs.blocks(7))
    assert len(blocks) > 3 and torch.equal(torch.cat(blocks, dim=1), pairs.all())


def test_neighbours_are_those_of_a_sorted_list():
    rng = np.random.default_rng(1)
    pairs = np.array(list(itertools.combinations(range(12), 2))).T
    score = np.round(rng.normal(size=pairs.shape[1]), 1)  # with equal and negative ones
    rows = [(s, *p) for s, p in zip(score, pairs.T, strict=True)]
    both = rows + rows
    expected = np.zeros((2, len(rows)), dtype=bool)
    for node in range(12):
        mine = [k for k in range(len(both)) if both[k][1 + k // len(rows)] == node]
        for k in sorted(mine, key=lambda k: (both[k][0], k))[:3]:
            expected[k // len(rows), k % len(rows)] = True
    found = nearest(torch.from_numpy(pairs), torch.from_numpy(score).float(), 3)
    assert (found.numpy() == expected).all()


@pytest.mark.parametrize("block", [1, 50, 1000])
@pytest.mark.parametrize("level", [FIRST, SECOND])
def test_blocks_change_nothing(level, block):
    clip = make_clip(2)
    cluster = clusters_by_identity(clip, 5) if level.motion_length else None
    nodes, motion = nodes_of(clip, cluster), None
    if cluster is not None:
        motion = motion_of(clip, cluster, len(nodes), level.motion_length)
    measure = Measure(nodes, level.pruning, motion=motion, horizon=level.motion_horizon)
    candidates = candidate_pairs(nodes.start, nodes.end, level.coverage)
    graph = build_graph(clip, cluster, level)
    kept = prune(candidates, measure, level.neighbours, block)
    assert torch.equal(kept.pairs, graph.pairs)


@pytest.mark.parametrize("pairs", [40, 4000])
@pytest.mark.parametrize("width", [3, 300])
def test_distances_of_sparse_and_dense_pairs(pairs, width):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(80, width, generator=generator) + 5
    embedding[1] = embedding[0]
    chosen = torch.randint(80, (2, pairs), generator=generator)
    chosen = chosen[:, chosen[0].argsort()]
    chosen[:, 0] = torch.tensor([0, 1])
    first, second = embedding[chosen]
    expected = torch.nn.functional.pairwise_distance(first.double(), second.double())
    found = embedding_distance(embedding, chosen).double()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-5)
    angle = torch.nn.functional.cosine_similarity(first, second)
    torch.testing.assert_close(embedding_distance(embedding, chosen, "cosine"), 2 - angle)


def test_clips_side_by_side():
    """Joined, clips have the graphs that each has alone."""
    clips = [make_clip(3), make_clip(4, objects=2, first=500), make_clip(5, frames=3)]
    for level in (FIRST, SECOND):
        clusters = [clusters_by_identity(clip, 5) for clip in clips]
        offsets = np.cumsum([0, *(int(cluster.max()) + 1 for cluster in clusters[:-1])])
        joined = torch.cat([c + offset for c, offset in zip(clusters, offsets, strict=True)])
        above = bool(level.motion_length)
        found = build_graph(join(clips, 25), joined if above else None, level)
        graphs = [
            build_graph(clip, cluster if above else None, level)
            for clip, cluster in zip(clips, clusters, strict=True)
        ]
        shifts = np.cumsum([0, *(len(graph.nodes) for graph in graphs[:-1])])
        pairs = torch.cat([g.pairs + s for g, s in zip(graphs, shifts, strict=True)], dim=1)
        assert torch.equal(found.pairs, pairs)
        features = torch.cat([graph.features for graph in graphs])
        torch.testing.assert_close(found.features, features, rtol=1e-5, atol=1e-5)


def test_features_by_hand():
    clip = Detections.of([3, 6], [[10, 20, 40, 100], [16, 21, 44, 110]], [[0, 0], [3, 4]], 30)
    features = build_graph(clip, None, FIRST).features
    expected = [[0.1, 0.076190, 0.104762, 0.095310, 0.095310, 4.999999]]
    torch.testing.assert_close(features, torch.tensor(expected), rtol=1e-5, atol=1e-6)
    few = Level(5, "geometry", use_place=False, use_embedding=False)
    assert build_graph(clip, None, few).features.shape == (1, few.features) == (1, 1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_detections(count):
    clip = Detections.of(range(count), [[0, 0, 9, 9]] * count, np.zeros((count, 4)), 25)
    assert build_graph(clip, None, FIRST).pairs.shape[1] == (count == 2)
    alone = torch.zeros(count, dtype=torch.long)
    assert build_graph(clip, alone, SECOND).features.shape == (0, SECOND.features)


def test_true_links_give_true_tracks():
    """With the right answer at each level, every object becomes one track."""
    clip, cluster = make_clip(6, frames=50), None
    for reach in (5, 25, 50):
        motion = 0 if cluster is None else reach // 5
        method = "motion_01" if motion else "geometry"
        level = Level(reach, method, motion, motion, neighbours=100)
        graph = build_graph(clip, cluster, level)
        truth = edge_labels(graph.nodes, graph.pairs).numpy().astype(float)
        links = round_links(graph.pairs.numpy(), truth)
        label = torch.from_numpy(clusters_of(links.pairs[:, links.chosen], len(graph.nodes)))
        cluster = label if cluster is None else label[cluster]
    assert cluster is not None
    identity = clip.identity.unique(return_inverse=True)[1]
    matched = torch.stack([cluster, identity]).unique(dim=1)
    assert matched.shape[1] == len(identity.unique()) == int(cluster.max()) + 1


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_choice_is_feasible_and_no_worse_than_greedy(seed):
    rng = np.random.default_rng(seed)
    pairs = np.array(list(itertools.combinations(range(30), 2))).T
    probability = np.tile(rng.random(pairs.shape[1]), (2, 1))
    gains = {}
    for method in ("exact", "greedy"):
        links = round_links(pairs, probability, method)
        for ends in links.pairs[:, links.chosen]:
            assert len(set(ends)) == len(ends)
        gains[method] = (2 * links.probability - 1)[links.chosen].sum()
    assert gains["exact"] >= gains["greedy"] - 1e-9


def test_gaps_are_filled_by_lines():
    rows = TrackRows(
        np.array([1, 2, 5, 3]),
        np.array([7, 7, 7, 8]),
        np.array([[0, 0, 10, 10], [4, 2, 10, 10], [10, 8, 16, 10], [1, 1, 5, 5]], dtype=float),
    )
    filled = finish_tracks(rows, min_length=2)
    assert filled.frame.tolist() == [1, 2, 3, 4, 5] and set(filled.track) == {7}
    np.testing.assert_allclose(filled.box[2], [6, 4, 12, 10])
    assert len(finish_tracks(rows, min_length=1, interpolate=False).frame) == 4
    assert len(finish_tracks(rows, min_length=9).frame) == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Detections.of([2, 1], np.ones((2, 4)), np.ones((2, 3)), 25), "sort them"),
        (lambda: Detections.of([1], np.ones((2, 4)), np.ones((1, 3)), 25), "one of each"),
        (lambda: Detections.of([1], [[0, 0, np.nan, 2]], np.ones((1, 3)), 25), "Leave it out"),
        (lambda: Detections.of([1], [[0, 0, 0, 2]], np.ones((1, 3)), 25), "positive width"),
        (lambda: Detections.of([1], np.ones((1, 4)), [[np.inf]], 25), "Detection 0"),
        (lambda: check_levels((Level(5), Level(12))), "multiple"),
        (lambda: check_levels((SECOND,)), "no motion"),
        (lambda: motion_weight("motion_"), "motion_005"),
        (lambda: build_graph(make_clip(0), None, Level(5, "motion_005")), "above the first level"),
        (lambda: build_graph(make_clip(0), None, Level(5, "colour")), "colour"),
        (lambda: round_links(np.zeros((2, 0), int), np.zeros((2, 0)), "best"), "greedy"),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_clusters_that_do_not_fit_are_refused():
    clip = make_clip(0)
    with pytest.raises(InputError, match="multiple of those before"):
        build_graph(clip, torch.zeros(len(clip), dtype=torch.long), SECOND)
    with pytest.raises(InputError, match="numbered from 0"):
        build_graph(clip, torch.arange(len(clip)).flip(0), SECOND)
