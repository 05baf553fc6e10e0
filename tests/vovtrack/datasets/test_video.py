"""Sources of frames: files, folders, arrays; what cannot be read is named."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.visualization import VideoWriter


def gray(value: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for i in (1, 2, 10, 9):
        cv2.imwrite(str(path / f"frame{i}.png"), gray(20 * i))
    return path


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.mp4"
    with VideoWriter(path, fps=10) as writer:
        for i in range(12):
            writer.write(gray(20 * i, (48, 64)))
    return path


def test_a_folder_is_read_in_natural_order(folder):
    source = read_video(folder)
    assert (source.width, source.height, source.num_frames) == (32, 24, 4)
    assert [int(frame[0, 0, 0]) for frame in source] == [20, 40, 180, 200]


def test_frames_are_rgb(tmp_path):
    blue = gray(0)
    blue[..., 0] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "a.png"), blue)
    assert next(iter(read_video(tmp_path)))[0, 0].tolist() == [0, 0, 255]


def test_a_video_file_is_read_whole(video):
    source = read_video(video)
    frames = list(source)
    assert len(frames) == 12 == source.num_frames and source.fps == 10
    assert frames[0].shape == (48, 64, 3)
    assert abs(int(frames[6].mean()) - 120) < 6
    assert len(list(read_video(video, max_frames=5))) == 5


@pytest.mark.parametrize("kind", ["empty", "large"])
def test_an_unreadable_image_is_an_error_or_listed(folder, kind):
    bad = folder / "frame5.png"
    if kind == "empty":
        bad.write_bytes(b"")
    else:
        cv2.imwrite(str(bad), gray(0, (48, 48)))
    with pytest.raises(InputError, match=r"frame5\.png.*skip"):
        list(read_video(folder))
    source = read_video(folder, on_bad_frame="skip")
    assert len(list(source)) == 4
    assert len(source.bad_frames) == 1 and "frame5.png" in source.bad_frames[0]


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_truncated_video_is_named(tmp_path, video, part):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[: int(video.stat().st_size * part)])
    with pytest.raises(InputError, match="cut.mp4"):
        list(read_video(cut))


def test_a_real_truncated_video_names_the_frame(tmp_path, realdata):
    whole = (realdata / "videos" / "qdtrack_demo.mp4").read_bytes()
    moved = tmp_path / "cut.mp4"
    # Zeroes in the middle: the index at the end survives, some frames do not.
    middle, size = len(whole) // 2, len(whole) // 8
    moved.write_bytes(whole[:middle] + bytes(size) + whole[middle + size :])
    try:
        frames = list(read_video(moved, on_bad_frame="skip"))
    except InputError as error:
        assert "cut.mp4" in str(error)
    else:
        assert len(frames) <= 8


@pytest.mark.parametrize("name", ["mmdet_demo", "qdtrack_demo", "track_on_sample"])
def test_real_videos(realdata, name):
    source = read_video(realdata / "videos" / f"{name}.mp4", max_frames=3)
    frames = list(source)
    assert len(frames) == 3 and frames[0].shape == (source.height, source.width, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nothing.mp4", "no video, folder or camera"),
        (lambda p: p, "holds no images"),
        (lambda p: (p / "a.mp4").write_text("text") and p / "a.mp4", "no video that can be read"),
        (lambda p: [], "empty"),
    ],
)
def test_sources_without_frames(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        read_video(make(tmp_path))


def test_arrays_are_a_source():
    assert len(list(read_video([gray(1), gray(2)]))) == 2


def test_stopping_early_ends_the_decoder(video):
    before = threading.active_count()
    frames = iter(read_video(video))
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_unknown_policy_is_refused(folder):
    with pytest.raises(InputError, match="on_bad_frame"):
        read_video(folder, on_bad_frame="ignore")
