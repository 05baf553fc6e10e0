"""Graphs of recorded clips, level by level, against what the original made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graph.recordings import LevelCase, close, detections_of, level_cases, levels_of
from vovtrack.graph.detections import Nodes, centred, feet, nodes_of
from vovtrack.graph.labels import edge_labels, known_pairs
from vovtrack.graph.levels import build_graph
from vovtrack.graph.motion import motion_of
from vovtrack.graph.pairs import candidate_pairs
from vovtrack.graph.pruning import Measure, nearest

LEAST_GAP = 1e-5
"""Between the scores of the last neighbour and the next, for ours to decide."""


@pytest.fixture(scope="module")
def cases(recorded) -> list[LevelCase]:
    found = list(level_cases(recorded))
    assert found
    return found


@pytest.fixture(scope="module")
def pruned(cases) -> list[LevelCase]:
    return [case for case in cases if "kept" in case]


def nodes(case: LevelCase) -> Nodes:
    return nodes_of(case.detections, case.cluster)


def measure(case: LevelCase) -> Measure:
    found, motion, level = nodes(case), None, case.level
    if case.cluster is not None:
        motion = motion_of(case.detections, case.cluster, len(found), level.motion_length)
    return Measure(found, level.pruning, level.similarity, motion, level.motion_horizon)


def kept_pairs(case: LevelCase) -> torch.Tensor:
    return torch.from_numpy(case["pairs"][:, case["kept"]]).long()


def test_nodes(cases):
    for case in cases:
        found = nodes(case)
        for end in ("start", "end"):
            assert (getattr(found, end).numpy() == case[f"frame_{end}"]).all()
            if case.cluster is not None:
                box = getattr(found, f"{end}_box")
                for name, ours in (("box", box), ("feet", feet(box)), ("cxcywh", centred(box))):
                    close(ours, case[f"{name}_{end}"])
        if case.cluster is not None:
            close(found.embedding, case["reid"])
            assert (found.identity.numpy() == case["node_id"]).all()


def test_candidates(cases):
    for case in cases:
        start, end = (torch.from_numpy(case[f"frame_{name}"]) for name in ("start", "end"))
        ours = candidate_pairs(start, end, case.level.coverage).all()
        assert (ours.numpy() == case["pairs"]).all()


def test_motion(cases):
    """Of the trajectories in between nothing is needed."""
    above = [case for case in cases if "fwd_vel" in case]
    assert above
    for case in above:
        moved = torch.from_numpy(~case["ignore"])
        count = len(moved)
        motion = motion_of(case.detections, case.cluster, count, case.level.motion_length)
        assert (motion.known == moved).all(), case.place
        close(motion.forward[moved], case["fwd_vel"], 1e-4)
        close(motion.backward[moved], case["bwd_vel"], 1e-4)
        for name, velocity in (("fwd", motion.forward), ("bwd", motion.backward)):
            trajectory = case[f"{name}_traj"]
            seen = np.isfinite(trajectory[..., 0]).sum(axis=1)
            first = np.take_along_axis(
                trajectory, (trajectory.shape[1] - seen)[:, None, None], axis=1
            )
            way = (trajectory[:, -1] - first[:, 0])[:, :2]
            close(velocity[moved][:, :2] * torch.from_numpy(seen - 1)[:, None], way)


def test_scores(pruned):
    for case in pruned:
        found = measure(case)(torch.from_numpy(case["pairs"]).long())
        close(found.score, case["score"], 3e-5)
        if case.cluster is not None:
            assert found.motion is not None
            np.testing.assert_allclose(found.motion, case["motion_giou"], atol=1e-4)


def test_neighbours_by_recorded_scores(pruned):
    for case in pruned:
        pairs, score = (torch.from_numpy(case[name]) for name in ("pairs", "score"))
        found = nearest(pairs.long(), score, case.level.neighbours).all(dim=0)
        assert (found.numpy() == case["kept"]).all(), case.place


def test_graphs(pruned, recorded):
    """From detections and clusters to pairs and features at once."""
    meta, decided = recorded.meta("graph.npz"), 0
    for case in pruned:
        name, level = case.place.split("/L")
        gap = meta[name]["levels"][level]["knn_margin"]
        if gap is None or gap > LEAST_GAP:
            graph = build_graph(case.detections, case.cluster, case.level)
            assert torch.equal(graph.pairs, kept_pairs(case)), case.place
            assert graph.features.shape[1] == case.level.features
            close(graph.features.repeat(2, 1), case["edge_attr"])
            decided += 1
    assert decided


def test_labels_of_each_direction(pruned):
    differ = 0
    for case in pruned:
        labels = edge_labels(nodes(case), kept_pairs(case))
        assert (labels.flatten().numpy() == case["label"]).all(), case.place
        known = known_pairs(nodes(case), kept_pairs(case))
        assert (known.repeat(2).numpy() == case["mask"]).all()
        differ += int((labels[0] != labels[1]).sum())
    assert differ


def test_where_the_original_stops(recorded):
    """A single pair is kept, and a single node has none."""
    arrays, meta = recorded.arrays("graph.npz"), recorded.meta("graph.npz")
    stopped = {
        name: settings
        for name, settings in meta.items()
        if any("error" in level for level in settings["levels"].values())
    }
    assert stopped
    for name, settings in stopped.items():
        detections = detections_of(arrays, name, settings["fps"])
        first, second, *_ = levels_of(settings)
        graph = build_graph(detections, None, first)
        assert graph.pairs.shape[1] >= 1 and graph.features.isfinite().all()
        alone = torch.zeros(len(detections), dtype=torch.long)
        assert build_graph(detections, alone, second).pairs.shape == (2, 0)
