"""Drawn frames and written videos."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.visualization import TrackHistory, VideoWriter, draw_tracks, track_color


def draw(frame, track_ids=(3,), history=None, box=(20, 30, 60, 70)):
    n = len(track_ids)
    return draw_tracks(
        frame,
        np.tile(np.array(box, np.float32), (n, 1)),
        np.array(track_ids),
        np.zeros(n, int),
        np.full(n, 0.5, np.float32),
        ["ball"],
        history,
    )


def test_the_box_has_the_colour_of_its_identity_and_the_input_stays():
    frame = np.zeros((120, 160, 3), np.uint8)
    drawn = draw(frame)
    assert frame.max() == 0 and drawn.shape == frame.shape
    assert tuple(drawn[50, 20]) == track_color(3)
    assert track_color(3) == track_color(3) != track_color(4)


@pytest.mark.parametrize("size", [(240, 320), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize("corner", ["top left", "bottom right"])
def test_labels_stay_inside_the_image(size, corner):
    height, width = size
    box = (0, 0, 30, 30) if corner == "top left" else (width - 10, height - 5, width + 20, height)
    drawn = draw(np.zeros((*size, 3), np.uint8), box=box)
    filled = (drawn == track_color(3)).all(-1)
    # The label's background is wider than the box, wherever the box is.
    assert filled.any(0).sum() > 30


def test_nothing_to_draw_leaves_the_frame():
    frame = np.full((40, 50, 3), 7, np.uint8)
    assert (draw(frame, track_ids=()) == frame).all()


def test_trails_follow_the_bottom_centre_and_are_bounded():
    history = TrackHistory(length=5)
    for t in range(50):
        history.move(np.array([1, 100 + t]), np.array([[t, 0, t + 10, 20], [0, 0, 4, 4]], float))
    assert history.trail(1).tolist()[-1] == [54, 20]
    assert len(history.trail(1)) == 5 and len(history.points) == 6
    assert len(history.trail(7)) == 0
    frame = np.zeros((60, 80, 3), np.uint8)
    box = (5, 45, 15, 58)  # its label does not cover the trail
    assert draw(frame, (1,), history, box).sum() > draw(frame, (1,), None, box).sum()


def test_odd_sizes_and_complete_files_only(tmp_path):
    path = tmp_path / "deep" / "v.mp4"
    with VideoWriter(path, fps=12.5) as writer:
        for i in range(6):
            writer.write(np.full((41, 63, 3), 30 * i, np.uint8))
        assert not path.exists()
    source = read_video(path)
    assert (source.width, source.height) == (64, 42) and source.fps == 12.5
    assert len(list(source)) == 6


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="not"), VideoWriter(tmp_path / "v.mp4", 5) as writer:
        writer.write(np.zeros((20, 20, 3), np.uint8))
        writer.write(np.zeros((30, 20, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.mp4"):
        VideoWriter(tmp_path / "v.gif", 5)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    frame = np.zeros((20, 20, 3), np.uint8)
    with (
        pytest.raises(InputError, match=r"v\.mp4.*cannot be written"),
        VideoWriter(tmp_path / "file" / "v.mp4", 5) as writer,
    ):
        writer.write(frame)


@pytest.fixture
def small_disk():
    """Files cannot grow beyond 20 kB, as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_no_file(tmp_path, small_disk):
    random = np.random.default_rng(0)
    with pytest.raises(OSError), VideoWriter(tmp_path / "v.mp4", 5) as writer:
        for _ in range(100):
            writer.write(random.integers(0, 255, (120, 160, 3), dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []
