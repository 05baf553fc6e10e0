"""The point tracker: points come and go, and what it is asked wrongly it says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.point.trackon import released
from vovtrack.engine.fuse import mix_precision
from vovtrack.engine.load import build_online
from vovtrack.errors import InputError
from vovtrack.point.video import follow_points
from vovtrack.structures import Target

HEIGHT, WIDTH, LENGTH = 60, 90, 6
POINTS = [[20.0, 30.0], [70.0, 12.5], [45.0, 45.0]]


@pytest.fixture(scope="module", params=["small", "small2"])
def model(request):
    """A small one of either generation, with weights drawn at random."""
    return getattr(released, request.param)().eval()


@pytest.fixture
def tracker(model):
    return build_online(Config(dict(online=dict(type="PointTracker"))), model)


@pytest.fixture(scope="module")
def frames():
    draws = np.random.default_rng(0).integers(0, 256, (LENGTH, HEIGHT, WIDTH, 3), dtype=np.uint8)
    draws.flags.writeable = False
    return draws


def test_streaming_gives_what_whole_videos_give(tracker, model, frames):
    queries = torch.tensor([[2, *POINTS[0]], [0, *POINTS[1]], [2, *POINTS[2]]])
    whole = follow_points(model, torch.tensor(frames).permute(0, 3, 1, 2)[None], queries[None])
    tracker.start(frames[0], Target(points=queries.numpy()))
    for number, frame in enumerate(frames):
        tracks = tracker.step(frame)
        assert tracks.frame_id == number
        assert tracks.track_ids.tolist() == ([1] if number < 2 else [0, 1, 2])
        np.testing.assert_array_equal(tracks.bboxes[:, :2], tracks.bboxes[:, 2:])
        points = whole.points[0, number, tracks.track_ids].numpy()
        np.testing.assert_allclose(tracks.bboxes[:, :2], points, atol=1e-4)
        visible = whole.visible[0, number, tracks.track_ids].numpy()
        np.testing.assert_array_equal(tracks.scores > tracker.draw_threshold, visible)
    assert list(tracker.finish()) == []


def test_points_are_added_at_any_time(tracker, frames):
    tracker.start(frames[0], Target(points=[[0, *POINTS[0]], [3, *POINTS[1]], [3, *POINTS[2]]]))
    wanted = [tracker.step(frame) for frame in frames]
    tracker.start(frames[0], Target(points=POINTS[:1]))
    for number, frame in enumerate(frames):
        if number == 3:
            assert tracker.add(POINTS[1:]) == [1, 2]
        found = tracker.step(frame)
        np.testing.assert_array_equal(found.track_ids, wanted[number].track_ids)
        np.testing.assert_array_equal(found.bboxes, wanted[number].bboxes)


def test_dropped_points_are_gone_and_ids_stay(tracker, frames):
    tracker.start(frames[0], Target(points=[*([0, *p] for p in POINTS), [5, *POINTS[0]]]))
    tracker.step(frames[0])
    tracker.drop([1, 3, 99])
    assert tracker.step(frames[1]).track_ids.tolist() == [0, 2]
    assert tracker.add(POINTS[:1], frame_id=4) == [4]
    assert tracker.num_points == 3
    assert tracker.step(frames[2]).track_ids.tolist() == [0, 2]
    tracker.drop([0])
    assert tracker.step(frames[3]).track_ids.tolist() == [2]
    assert tracker.step(frames[4]).track_ids.tolist() == [2, 4]
    tracker.drop([2, 4])
    assert len(tracker.step(frames[5])) == 0


def test_a_point_dropped_before_its_frame_leaves_no_trace(tracker, frames):
    tracker.start(frames[0], Target(points=POINTS))
    tracker.drop([1, 2])
    alone = [tracker.step(frame).bboxes for frame in frames]
    tracker.start(frames[0], Target(points=POINTS[:1]))
    np.testing.assert_array_equal(alone, [tracker.step(frame).bboxes for frame in frames])


def test_memory_does_not_grow_with_the_video(tracker, frames):
    tracker.start(frames[0], Target(points=POINTS))
    sizes = set()
    for number in range(3 * LENGTH):
        tracker.step(frames[number % LENGTH])
        state = tracker.follower._state
        sizes.add(sum(value.numel() for value in vars(state).values()))
    assert len(sizes) == 1


def test_a_new_start_forgets(tracker, frames):
    tracker.start(frames[0], Target(points=POINTS))
    first = [tracker.step(frame).bboxes for frame in frames[:3]]
    tracker.start(frames[0], Target(points=POINTS))
    np.testing.assert_array_equal(first, [tracker.step(frame).bboxes for frame in frames[:3]])


def test_mixed_precision_reaches_every_frame(model, frames):
    mixed = mix_precision(copy.deepcopy(model), "bf16")
    types = []
    mixed.projection2.register_forward_hook(lambda *call: types.append(call[-1].dtype))
    projections = [m for n, m in mixed.backbone.named_modules() if "projection" in n]
    projections[-1].register_forward_hook(lambda *call: types.append(call[-1].dtype))
    tracker = build_online(Config(dict(online=dict(type="PointTracker"))), mixed)
    tracker.start(frames[0], Target(points=POINTS))
    for frame in frames[:3]:
        assert np.isfinite(tracker.step(frame).bboxes).all()
    assert set(types) == {torch.bfloat16}
    assert tracker.follower._state.context.dtype == torch.float32


def test_settings_are_said(tracker):
    assert tracker.settings["memory"] == list(tracker.model.slots)
    assert tracker.settings["memory"][0] == 4
    assert tracker.settings["support_grid"] == 2


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "which points"),
        (Target(boxes=[[1, 2, 3, 4]]), "cannot use boxes"),
        (Target(points=[[WIDTH, 3]]), "outside"),
        (Target(points=np.ones((20_001, 2))), "20001 points"),
    ],
)
def test_targets_that_cannot_be_followed(tracker, frames, target, message):
    with pytest.raises(InputError, match=message):
        tracker.start(frames[0], target)


def test_points_outside_are_told_when_the_first_frame_comes(tracker, frames):
    tracker.start(None, Target(points=[[3, 3], [4, HEIGHT]]))
    with pytest.raises(InputError, match="outside"):
        tracker.step(frames[0])


def test_points_that_come_too_late(tracker, frames):
    tracker.start(frames[0], Target(points=[[LENGTH, 3, 3], [0, 4, 4]]))
    for frame in frames:
        tracker.step(frame)
    with pytest.raises(InputError, match="too late"):
        tracker.add([[3, 3]], frame_id=1)
    with pytest.raises(InputError, match=f"from frame {LENGTH} on, but the video has {LENGTH}"):
        tracker.finish()


@pytest.mark.parametrize("frame", [np.zeros((4, 4)), np.zeros((8, 8, 3), np.uint8), None])
def test_frames_that_do_not_fit(tracker, frames, frame):
    tracker.start(frames[0], Target(points=POINTS))
    tracker.step(frames[0])
    with pytest.raises(InputError, match="Frame 1"):
        tracker.step(frame)


@pytest.mark.parametrize(
    ("video", "queries", "message"),
    [
        (torch.zeros(2, 3, 8, 8), torch.zeros(1, 1, 3), r"\(1, T, 3, H, W\)"),
        (torch.zeros(1, 2, 3, 8, 8), torch.zeros(1, 3), r"\(1, N, 3\)"),
        (torch.zeros(1, 2, 3, 8, 8), torch.tensor([[[2.0, 1, 1]]]), "of frame 2"),
        (torch.zeros(1, 2, 3, 8, 8), torch.tensor([[[0.0, torch.nan, 1]]]), "finite"),
    ],
)
def test_videos_that_do_not_fit(model, video, queries, message):
    with pytest.raises(InputError, match=message):
        follow_points(model, video, queries)
