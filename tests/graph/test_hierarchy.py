"""The tracker on clips with nothing, little or much to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graph.networks import drawn, tracker
from tests.graph.test_graphs import make_clip
from vovtrack.errors import InputError
from vovtrack.graph.detections import Detections
from vovtrack.graph.levels import Level
from vovtrack.graph.models import GraphLosses, HierarchicalNet
from vovtrack.graph.models.hierarchy import Example, levels_to_learn
from vovtrack.graph.video import link_video

LEVELS = (Level(4, "geometry"), Level(8, "motion_005", 4, 4), Level(16, "motion_005", 8, 8))


@pytest.fixture(scope="module")
def model():
    built = tracker(LEVELS, node_features=8)
    drawn(built.network, "clips")
    return built


def seen_in(frames: list[int]) -> Detections:
    count = len(frames)
    box = [[10 * frame, 0, 30, 40] for frame in frames]
    return Detections.of(frames, box, np.ones((count, 8)), 25, np.zeros(count, dtype=int))


@pytest.mark.parametrize("frames", [[], [7], [7, 8], [7, 7, 7], [1, 2, 3, 500, 501], [3, 90, 400]])
def test_every_detection_has_a_track(model, frames):
    linked = link_video(model, seen_in(frames))
    assert linked.frame.tolist() == frames
    assert linked.detection.tolist() == list(range(len(frames)))
    assert len(linked.track) == len(frames)


def test_a_track_is_never_twice_in_a_frame(model):
    clip = make_clip(0, frames=60)
    linked = link_video(model, clip)
    assert len(linked.track) == len(clip)
    assert len({*zip(linked.frame, linked.track, strict=True)}) == len(clip)


def test_windows_learn_together_as_alone(model):
    """Their joined loss is the mean over all edges, not over windows."""
    clips = [make_clip(seed, frames=16) for seed in (1, 2)]
    losses = model.loss([Example(clip) for clip in clips], 1)[0]["loss_edges"]
    alone = [model.loss([Example(clip)], 1)[0]["loss_edges"] for clip in clips]
    pairs = [next(model.climb(clip, 1, False)).graph.pairs.shape[1] for clip in clips]
    expected = sum(loss * count for loss, count in zip(alone, pairs, strict=True)) / sum(pairs)
    torch.testing.assert_close(losses, expected)


def test_a_scene_is_that_of_its_own_window(model):
    clips = [make_clip(seed, frames=16) for seed in (1, 2)]
    scenes = torch.randn(2, 1, 128, generator=torch.Generator().manual_seed(0))

    def scene_losses(order: list[int]) -> list[torch.Tensor]:
        examples = [Example(clips[k], scenes[k]) for k in order]
        return [found["loss_scene"] for found in model.loss(examples, 1)]

    torch.testing.assert_close(scene_losses([0, 1]), scene_losses([1, 0]), rtol=1e-4, atol=1e-5)
    mixed = model.loss([Example(clips[k], scenes[1 - k]) for k in (0, 1)], 1)
    assert abs(mixed[0]["loss_scene"] - scene_losses([0, 1])[0]) > 1e-4


def test_a_level_without_pairs_teaches_nothing(model):
    losses = model.loss([Example(seen_in([7]))], 3)
    assert losses == [{}, {}, {}]


def test_pairs_of_unknown_nodes_can_be_left_out(model):
    judged = next(model.climb(make_clip(3), 1, False)).judged
    labels = torch.zeros_like(judged.logits[0], dtype=torch.bool)
    known = torch.zeros(labels.shape[1], dtype=torch.bool)
    known[::2] = True
    part = GraphLosses(known_only=True)(judged, labels, known)["loss_edges"]
    every = GraphLosses(known_only=False)(judged, labels, known)["loss_edges"]
    none = GraphLosses(known_only=True)(judged, labels, ~(known | True))["loss_edges"]
    assert part != every and none == every


def test_levels_are_unlocked_one_by_one():
    assert [levels_to_learn(k, 2, 3) for k in range(7)] == [1, 1, 2, 2, 3, 3, 3]
    assert levels_to_learn(0, 0, 3) == 3


def test_what_is_refused():
    with pytest.raises(InputError, match="all_but_first"):
        HierarchicalNet(sharing="most")
    with pytest.raises(InputError, match="sharing='none'"):
        HierarchicalNet((6, 7, 5))
    assert len(HierarchicalNet((6, 7, 5), node_features=4, sharing="none").layers) == 3
