"""The weights of points that lie in the repository."""

from __future__ import annotations

import numpy as np
import pytest

from tests.places import ROOT
from tools.benchmarks.point_learning.rivals import static
from tools.benchmarks.point_learning.videos import Found, Video, rate, read_videos
from vovtrack import load_tracker
from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.structures import Target

WEIGHTS = ROOT / "saved_models/mini/trackon_mini.safetensors"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Video]:
    """Moving photographs that were not learned from."""
    out = tmp_path_factory.mktemp("photographs")
    size = ["--frames", "10", "--width", "128", "--height", "96", "--dial", "blur=0"]
    words = ["synth", "--sample", "--format", "tapvid", "--videos", "4", *size]
    assert main([*words, "--workers", "1", "--out", str(out / "set")]) == 0
    return read_videos(out / "set/tapvid.pkl")


def follow(video: Video) -> Found:
    """By the public calls, and the weights that the config names."""
    tracker = load_tracker("trackon/mini", device="cpu")
    tracker.start(video.frames[0], Target(points=video.points[:, 0]))
    steps = [tracker.step(frame) for frame in video.frames]
    points = [tracks.bboxes[:, :2] for tracks in steps]
    visible = [tracks.scores > tracker.draw_threshold for tracks in steps]
    return Found(np.stack(points, axis=1), np.stack(visible, axis=1))


def test_they_follow_points_that_stand_still_does_not(videos):
    ours, still = rate(videos, follow), rate(videos, static)
    assert ours["delta_avg"] > still["delta_avg"] + 10
    assert ours["AJ"] > still["AJ"] + 5


def test_they_are_small():
    assert WEIGHTS.stat().st_size < 6e6


def test_track_on2_has_none_of_its_own():
    with pytest.raises(InputError, match="no weights|checkpoint"):
        load_tracker("trackon/mini2", device="cpu")
