"""Identity: the sum of shared frames is the largest of all assignments, at any size."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest

from vovtrack.evaluation import BoxTable
from vovtrack.evaluation.scores.frames import VideoFrames, split_frames
from vovtrack.evaluation.scores.identity import COLUMNS, IDENTITY, count_identity
from vovtrack.evaluation.scores.matching import Frame
from vovtrack.evaluation.scores.statistics import from_videos


def video_of(shared: np.ndarray) -> VideoFrames:
    """A video in which object g and track d overlap in ``shared[g, d]`` frames."""
    frames = [
        Frame(np.array([g]), np.array([d]), np.full((1, 1), iou))
        for (g, d), count in np.ndenumerate(shared)
        for iou in [0.5] * count + [0.4999999999999999]
    ]
    boxes = shared + 1
    return VideoFrames(frames, boxes.sum(axis=1), boxes.sum(axis=0))


def largest(shared: np.ndarray) -> int:
    """By trying every assignment."""
    wide = shared if shared.shape[0] <= shared.shape[1] else shared.T
    return max(
        sum(wide[i, j] for i, j in enumerate(order))
        for order in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (4, 4), (5, 3)])
def test_every_assignment_was_thought_of(shape):
    rng = np.random.default_rng(0)
    for empty in (0.0, 0.5, 0.8):  # the more zeros, the more separate parts
        for _ in range(10):
            shared = rng.integers(1, 6, shape) * (rng.random(shape) >= empty)
            found = count_identity(video_of(shared))
            boxes = int((shared + 1).sum())
            assert found["idtp"] == largest(shared)
            assert found["idfn"] == found["idfp"] == boxes - found["idtp"]


def test_many_fragments_need_no_square_of_memory():
    """Every box a track of its own: 40 objects, 20,000 tracks."""
    frames = [
        Frame(np.arange(40), 40 * t + np.arange(40), np.asfortranarray(np.eye(40)))
        for t in range(500)
    ]
    video = VideoFrames(frames, np.full(40, 500), np.ones(20_000, dtype=np.int64))
    tracemalloc.start()
    found = count_identity(video)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {"idtp": 40, "idfn": 19_960, "idfp": 19_960}
    assert peak < 4e6  # the full matrix would hold 6.4e6 bytes


def test_one_side_empty():
    one = np.ones(3, dtype=np.int64)
    table = BoxTable(0 * one, np.arange(3), one, one, np.full((3, 4), 9.0), 1.0 * one)
    nothing = table.select(slice(0, 0))
    expected = {(3, 0): (0, 3, 0), (0, 3): (0, 0, 3), (0, 0): (0, 0, 0)}
    for gt, dt in ((table, nothing), (nothing, table), (nothing, nothing)):
        found = count_identity(split_frames(gt, dt))
        assert tuple(found.values()) == expected[len(gt), len(dt)]


def test_scores_of_known_counts():
    counts = [dict(idtp=6, idfn=2, idfp=4), dict(idtp=0, idfn=0, idfp=5)]
    rows = [(np.zeros(1, int), {k: np.array([v]) for k, v in c.items()}) for c in counts]
    empty = {name: np.zeros(0) for name in COLUMNS}
    statistics = from_videos(IDENTITY.name, ["a", "b"], ["object"], None, rows, empty)
    scores = IDENTITY.summary(statistics)["all"]
    assert scores["IDF1"] == pytest.approx(100 * 6 / 11.5)
    assert scores["IDR"] == pytest.approx(75) and scores["IDP"] == pytest.approx(40)
    assert (scores["IDTP"], scores["IDFN"], scores["IDFP"]) == (6, 2, 9)
    assert IDENTITY.per_video(statistics)["b"] is None
