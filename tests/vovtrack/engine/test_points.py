"""Points behind the contract of online trackers; Lucas-Kanade as the tracker."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.engine.load import load_tracker
from vovtrack.engine.point_test import ask
from vovtrack.engine.points import follow_points, place_points, points_as_tracks
from vovtrack.errors import InputError
from vovtrack.structures import Target


def moving(frames=8, size=96, step=(2, 1), seed=0):
    """A texture that moves by whole pixels, (T, size, size, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size // 2, size // 2, 3))
    texture = np.kron(coarse, np.ones((4, 4, 1), dtype=int)).astype(np.uint8)
    dx, dy = step
    starts = [(dx * (frames - 1 - t), dy * (frames - 1 - t)) for t in range(frames)]
    return np.stack([texture[y : y + size, x : x + size] for x, y in starts])


@pytest.fixture
def tracker():
    return load_tracker("mini", tracker="lucas-kanade")


def test_points_move_with_the_picture(tracker):
    queries = np.array([[0, 30.5, 40.25], [3, 50, 20.75], [0, 12, 70]])
    points, visible = follow_points(tracker, moving(), queries)
    assert points.shape == (3, 8, 2) and points.dtype == np.float32
    for found, seen, (start, *place) in zip(points, visible, queries, strict=True):
        first = int(start)
        wanted = [np.add(place, np.multiply((2, 1), t - first)) for t in range(first, 8)]
        assert found[first:] == pytest.approx(np.array(wanted), abs=0.1)
        assert (found[:first] == np.float32(place)).all()
        assert seen[first:].all() and not seen[:first].any()


def test_hidden_points_stay_in_the_tracks_with_a_small_score(tracker):
    frames = moving()
    frames[5:] = np.random.default_rng(1).integers(0, 255, frames[5:].shape)
    queries = np.array([[0, x, y] for x in range(20, 80, 10) for y in range(20, 80, 10)])
    tracker.start(frames[0], Target(points=queries))
    found = [tracker.step(frame) for frame in frames]
    assert all(tracks.track_ids.tolist() == list(range(len(queries))) for tracks in found)
    assert (found[2].scores > tracker.draw_threshold).all()
    # In noise a way there and back comes home by chance alone.
    assert (found[5].scores > tracker.draw_threshold).mean() < 0.5


def test_points_that_leave_the_frame_are_hidden(tracker):
    points, visible = follow_points(tracker, moving(step=(6, 0)), np.array([[0, 80.0, 40.0]]))
    assert visible[0, :3].all() and not visible[0, 4:].any()
    assert np.isfinite(points).all()


def test_rows_that_are_not_followed_yet_are_hidden_at_their_place():
    queries = np.array([[0, 1.0, 2.0], [5, 3.0, 4.0], [0, 5.0, 6.0]])
    tracks = points_as_tracks(2, np.array([2, 0]), np.array([[9, 9], [8, 8]]), np.array([0.4, 0.6]))
    placed = place_points(tracks, queries, 0.5)
    assert placed.points.tolist() == [[8, 8], [3, 4], [9, 9]]
    assert placed.visible.tolist() == [True, False, False]
    assert placed.followed.tolist() == [True, False, True]
    assert placed.scores == pytest.approx([0.6, 0, 0.4])


def test_one_by_one_equals_all_at_once_for_a_tracker_without_context(tracker):
    queries = np.array([[0, 30.0, 40.0], [2, 60.0, 50.0]])
    joint, single = (ask(tracker, moving(), queries, independent=i) for i in (False, True))
    assert all(np.array_equal(a, b) for a, b in zip(joint, single, strict=True))
    points, visible = ask(tracker, moving(), queries[:0])
    assert points.shape == (0, 8, 2) and visible.shape == (0, 8)


def test_lucas_kanade_says_what_it_needs(tracker):
    with pytest.raises(InputError, match="Lucas-Kanade follows points: say where"):
        tracker.start(None)
    with pytest.raises(InputError, match="follows points; it cannot use classes"):
        tracker.start(None, Target(classes="a"))
    with pytest.raises(InputError, match="'lucas-kanade' has no weights: leave the checkpoint"):
        load_tracker("mini", "some.pth", tracker="lucas-kanade")
    with pytest.raises(InputError, match="Trackers by name: .*lucas-kanade"):
        load_tracker("mini", tracker="lukas")


def test_both_ways_through_a_video(tracker):
    queries = np.array([[0, 30.5, 40.25], [4, 50, 40.75]])
    points, visible = ask(tracker, moving(), queries, both_ways=True)
    for found, (start, *place) in zip(points, queries, strict=True):
        wanted = [np.add(place, np.multiply((2, 1), t - start)) for t in range(8)]
        assert found == pytest.approx(np.array(wanted), abs=0.1)
    assert visible.all()
