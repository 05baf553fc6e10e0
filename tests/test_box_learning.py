"""The comparison of what the tracker of single objects learns: videos, rivals, bars."""

from __future__ import annotations

import numpy as np
import pytest

from tests.places import ROOT
from tests.plain_videos import plain_sources
from tools.benchmarks.box_learning import __main__ as benchmark
from tools.benchmarks.box_learning import network, rivals
from tools.benchmarks.box_learning.videos import Video, rate, read_videos
from vovtrack.engine.run import load_config
from vovtrack.synthetic.video_set import write_videos


@pytest.fixture(scope="module")
def moving() -> Video:
    """A textured square that moves by (2, 1) pixels a frame over a plain ground, hidden once."""
    rng = np.random.default_rng(0)
    square = np.kron(rng.integers(0, 256, (5, 5, 3)), np.ones((4, 4, 1), int)).astype(np.uint8)
    frames = np.full((12, 96, 128, 3), 90, np.uint8)
    boxes = np.array([[20 + 2 * t, 30 + t, 20, 20] for t in range(12)], float)
    for frame, (x, y, w, h) in zip(frames, boxes.astype(int), strict=True):
        frame[y : y + h, x : x + w] = square
    present = np.ones(12, bool)
    present[5] = False
    return Video(frames, boxes, present)


def test_the_truth_is_perfect_and_absent_frames_do_not_count(moving):
    def wrong_where_absent(video):
        return np.where(video.present[:, None], video.boxes, 0)

    perfect = {"AO": 100, "SR50": 100, "lost": 0}
    assert rate([moving], lambda video: video.boxes) == pytest.approx(perfect)
    assert rate([moving], wrong_where_absent) == pytest.approx(perfect)


@pytest.mark.parametrize("rival", [rivals.template, rivals.updated_template, rivals.mosse])
def test_matchers_follow_what_a_static_box_loses(moving, rival):
    assert rate([moving], rivals.static)["AO"] < 50
    assert rate([moving], rival)["AO"] > 85


def test_bars_judge_the_worst_seed():
    def scores(*values, lost=0.0):
        return [{"AO": value, "SR50": 0.0, "lost": lost} for value in values]

    rows = {name: scores(40.0, lost=10.0) for name in (benchmark.STILL, *benchmark.MATCHERS)}
    rows[benchmark.STILL] = scores(10.0)
    rows |= {
        benchmark.UNTRAINED: scores(30.0, 41.0),
        benchmark.CENTRES: scores(44.0, 44.0),
        benchmark.LEARNED: scores(60.0, 50.0, lost=8.0),
    }
    met = {line.split(":")[0]: line.rsplit(" ", 1)[1] for line in benchmark.bars(rows, 0.61)}
    assert met == {
        "- AO over a static box": "met",
        "- AO over the best matcher": "met",
        "- AO over untrained": "MISSED",
        "- AO over centres only": "met",
        "- frames lost, 70 % of the best matcher's and fewer": "MISSED",
        "- correlation of foretold and true overlaps, percent": "met",
    }


def test_the_tracker_follows_as_its_rivals_do(tmp_path, monkeypatch):
    write_videos(tmp_path / "train", "got10k", plain_sources(2, num_frames=24))
    (video, *_) = read_videos(tmp_path / "train", most=1)
    monkeypatch.setattr(network, "BATCHES", 1)
    options = [
        *benchmark._data(tmp_path / "train"),
        "train_dataloader.batch_size=2",
        "train_dataloader.dataset.gaps.max_gap=3",
    ]
    cfg = load_config(ROOT / "configs/sot/mini.py", cfg_options=options)
    # What has learned nothing is certain of nothing.
    cfg.online.setdefault("localization", {})["not_found"] = -1e3
    model = network.load(cfg, seed=0)
    fitted, centres = (
        network.rival(network.tracker(cfg, model, refined))(video) for refined in (True, False)
    )
    assert fitted.shape == centres.shape == video.boxes.shape
    np.testing.assert_allclose(fitted[0], video.boxes[0], atol=1e-3)
    assert np.ptp(centres[:, 2:], axis=0).max() < 0.01 < np.ptp(fitted[:, 2:], axis=0).max()
    assert -1 <= network.rank_correlation(cfg, model) <= 1
