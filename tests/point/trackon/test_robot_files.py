"""Robot recordings: frames, labels, results and added key points are those of the first scripts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vovtrack.datasets.video import read_video
from vovtrack.engine.recordings.extract import extract_recordings
from vovtrack.engine.recordings.write import write_recordings
from vovtrack.formats.labelme import read_points
from vovtrack.formats.point_json import NOWHERE, read_point_results
from vovtrack.formats.robot_h5 import open_recording, read_keypoints

h5py = pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def files(recorded) -> Path:
    return recorded.path("data/robot_h5")


@pytest.fixture(scope="module")
def expected(recorded):
    return recorded.arrays("data/robot_h5_expected.npz")


@pytest.fixture(scope="module")
def settings(recorded):
    return recorded.json("data/robot_h5_expected.json")


def all_frames(camera) -> np.ndarray:
    return np.stack([camera.frame(index) for index in range(camera.num_frames)])


def trajectories(settings) -> list[str]:
    return [name for name in settings if not name.endswith(".mp4")]


def test_frames_of_every_layout_and_type(files, expected):
    paths = sorted(files.glob("*.h5"))
    assert len(paths) >= 2
    for path in paths:
        with open_recording(path) as recording:
            found = [all_frames(camera) for camera in recording.cameras.values()]
        assert len(found) == len(SIDES)
        for side, frames, sums in zip(SIDES, found, expected["frame_sums"], strict=True):
            np.testing.assert_array_equal(frames[:, ::6, ::8], expected[f"frames_{side}"])
            np.testing.assert_array_equal(frames.sum(axis=(1, 2, 3)), sums)


def test_first_frames_are_those_pictures(files, tmp_path):
    pictures = sorted((files / "png").glob("*.png"))
    bases = {path.stem.rpartition("_")[0] for path in pictures}
    extract_recordings([files / f"{base}.h5" for base in sorted(bases)], tmp_path)
    for picture in pictures:
        base, _, side = picture.stem.rpartition("_")
        with open_recording(files / f"{base}.h5") as recording:
            name = next(name for name in recording.cameras if side in name)
        ours = cv2.imread(str(tmp_path / base / f"{name}.png"))
        np.testing.assert_array_equal(ours, cv2.imread(str(picture)))


def test_videos_lose_about_as_little_as_theirs_or_nothing(files, settings, tmp_path):
    videos = {name: facts for name, facts in settings.items() if name.endswith(".mp4")}
    assert videos
    for name, facts in videos.items():
        base, _, side = Path(name).stem.rpartition("_")
        for lossless in (False, True):
            work = tmp_path / f"{name}_{lossless}"
            source = files / f"{base}.h5"
            extract_recordings([source], work, fps=facts["fps"], lossless=lossless)
            with open_recording(source) as recording:
                camera = next(c for c in recording.cameras.values() if side in c.name)
                exact = all_frames(camera).astype(int)
            path = work / base / f"{camera.name}{'.mkv' if lossless else '.mp4'}"
            video = read_video(path)
            seen = np.stack(list(video)).astype(int)
            assert len(seen) == facts["frames"] and video.fps == pytest.approx(facts["fps"])
            error = np.abs(seen - exact).mean()
            assert error == 0 if lossless else 0 < error < 1.2 * facts["mean_abs_error"]


def test_labels(files, expected):
    paths = sorted(files.glob("*.json"))
    assert paths
    for path in paths:
        with open_recording(path.with_suffix(".h5")) as recording:
            camera = next(iter(recording.cameras.values()))
        names, points = read_points(path, camera.width, camera.height)
        np.testing.assert_array_equal(points, expected["queries_xy"])
        assert list(names) == expected["labels"].tolist()


def test_results(files, settings, expected):
    """One trajectory has all of them; another lacks some."""
    whole = []
    for name in trajectories(settings):
        results = read_point_results(next((files / "tracked" / name).glob("*.json")))
        found = results.keypoints(len(expected["points"]))
        there = (found != np.array(NOWHERE, np.float32)).any(axis=-1)
        np.testing.assert_array_equal(found[there][:, :2], expected["points"][there])
        np.testing.assert_array_equal(found[there][:, 2] > 0, expected["visible"][there])
        whole.append(there.all())
    assert any(whole) and not all(whole)


def test_key_points_are_added_to_copies(files, settings, expected, tmp_path):
    """As the scripts added them, with every point instead of the first one alone."""
    folder = files / "tracked"
    words = dict(camera="obs_left_img", on_mismatch="copy")
    outcome = write_recordings([folder], folder, tmp_path, **words)
    assert outcome.problems == [] and len(outcome.done) == len(trajectories(settings))
    for name in trajectories(settings):
        original = next((folder / name).glob("*.h5"))
        copy = tmp_path / name / original.name
        with h5py.File(copy) as file:
            shapes = {}
            file.visititems(lambda key, item, found=shapes: found.update(_described(key, item)))
        theirs = {key: (tuple(shape), kind) for key, shape, kind in settings[name]}
        added = f"{name}/left_img_keypoint"
        theirs.pop("images/left_img_keypoint", None)
        ours = shapes.pop("keypoints/obs_left_img", None)
        assert shapes == theirs and (ours is not None) == (added in expected)
        if ours is None:
            continue
        keypoints, facts = read_keypoints(copy)["obs_left_img"]
        np.testing.assert_array_equal(keypoints[:, :1], expected[added])
        assert keypoints.shape[1] == expected["points"].shape[1] == len(facts["names"])


def _described(key, item) -> dict:
    return {key: (item.shape, str(item.dtype))} if isinstance(item, h5py.Dataset) else {}
