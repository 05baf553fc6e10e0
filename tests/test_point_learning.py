"""The comparison of what the point tracker learns: videos, rivals, memory off, bars."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.plain_videos import plain_sources
from tools.benchmarks.point_learning import network, report, rivals
from tools.benchmarks.point_learning.pictures import write_pictures
from tools.benchmarks.point_learning.videos import Found, Video, come_back, rate, read_videos
from vovtrack.engine.run import load_config
from vovtrack.files.images import read_image
from vovtrack.synthetic.video_set import write_videos


@pytest.fixture(scope="module")
def shifting():
    """Noise that moves by (3, 2) pixels a frame; its points are hidden in frames 2 and 3."""
    rng = np.random.default_rng(0)
    canvas = np.kron(rng.integers(0, 256, (30, 40, 3)), np.ones((4, 4, 1), int)).astype(np.uint8)
    corners = [(20 - 2 * t, 30 - 3 * t) for t in range(6)]
    frames = np.stack([canvas[y : y + 96, x : x + 128] for y, x in corners])
    starts = rng.uniform(20, 70, (8, 2))
    points = starts[:, None] + np.multiply.outer(np.arange(6), [3, 2])
    visible = np.ones((8, 6), bool)
    visible[:, 2:4] = False
    return Video(frames, points, visible)


def test_only_points_that_were_hidden_for_long_come_back():
    visible = np.array(
        [[1, 1, 0, 1, 1, 1], [1, 0, 0, 1, 0, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 1]], bool
    )
    again = np.zeros((4, 6), bool)
    again[1, [3, 5]] = again[3, 4:] = True
    assert (come_back(visible) == again).all()


def test_truth_is_perfect_and_rivals_are_what_they_are(shifting):
    truth = rate([shifting], lambda video: Found(video.points, video.visible))
    assert set(truth.values()) == {100}
    still = rate([shifting], rivals.static)
    assert still["OA"] == pytest.approx(60) and still["delta_avg"] < 20
    for rival in (rivals.chained_lucas_kanade, rivals.correlation):
        found = rival(shifting)
        assert np.abs(found.points - shifting.points).max() < 1
        assert rate([shifting], rival)["back_8"] == 100


def test_points_are_asked_for_in_the_first_frame(tmp_path):
    out = write_videos(tmp_path / "set", "tapvid", plain_sources(2))
    videos = read_videos(out / "tapvid.pkl")
    assert len(videos) == 2
    for video in videos:
        assert video.visible[:, 0].all() and video.frames.shape == (12, 64, 96, 3)
        seen = video.points[video.visible]
        assert ((seen >= 0) & (seen <= video.size)).all() and seen.max() > 1


def test_pictures_to_learn_from_are_not_those_of_the_test(tmp_path):
    write_pictures(tmp_path, "noise")
    splits = [sorted((tmp_path / split).iterdir()) for split in ("train", "test")]
    assert len(splits[0]) == len(splits[1]) > 10
    first, other = (read_image(paths[0]) for paths in splits)
    assert first.shape == other.shape and (first != other).mean() > 0.9


def test_the_network_follows_and_forgets(shifting, repository):
    # A matcher's memory says nothing until it has learned.
    cfg = load_config("configs/trackon/mini.py", cfg_options=["model.matcher=False"])
    model = network.load(cfg, seed=0)
    other = network.load(cfg, seed=1)
    assert not torch.equal(model.projection1.weight, other.projection1.weight)
    found = network.rival(model)(shifting)
    assert found.points.shape == shifting.points.shape
    assert 0 < network.patch_loss(model, [shifting]) < 100
    forgetful = network.rival(network.without_memory(network.load(cfg, seed=0)))(shifting)
    # The first frame has nothing to remember.
    assert (forgetful.points[:, 0] == found.points[:, 0]).all()
    assert (forgetful.points[:, 1:] != found.points[:, 1:]).any()


def test_bars_are_met_by_the_better_tracker(shifting):
    low = dict(delta_avg=10.0, OA=50.0, AJ=5.0, back_8=1.0, patch_loss=20.0)
    high = dict(delta_avg=60.0, OA=90.0, AJ=50.0, back_8=60.0, patch_loss=5.0)
    names = (report.STATIC, report.LUCAS_KANADE, report.CORRELATION, report.UNTRAINED)
    rows = {name: [low] for name in (*names, report.FORGETFUL)} | {report.LEARNED: [high, high]}
    lines = report.bars(rows, [shifting], chance=20.0)
    assert len(lines) == 6 and all(line.endswith(" met") for line in lines)
    rows[report.LEARNED] = [low]
    assert all(line.endswith("MISSED") for line in report.bars(rows, [shifting], chance=20.0))
    assert f"| {report.LEARNED} | 10.0 |" in "\n".join(report.table(rows))
