"""Robot recordings: layouts, numeric order, and files that are not what they should be."""

from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest

from tests.recordings import moving, write_stacked, write_steps
from vovtrack.errors import InputError
from vovtrack.formats.robot_h5 import add_keypoints, open_recording, read_keypoints

h5py = pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
FRAMES = moving(12)


def frames_of(path, camera=None) -> np.ndarray:
    with open_recording(path) as recording:
        found = recording.camera(camera)
        assert (found.width, found.height) == (64, 48)
        return np.stack([found.frame(index) for index in range(found.num_frames)])


def told(path) -> str:
    """The sentence that a file earns, on opening it or reading its frames."""
    with pytest.raises(InputError) as error, open_recording(path) as recording:
        for camera in recording.cameras.values():
            for index in range(camera.num_frames):
                camera.frame(index)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("first", [0, 1, 95])
def test_steps_are_read_by_number(first, tmp_path):
    """10 comes after 2, and the first number does not matter."""
    names = [f"step_{first + t}" for t in range(12)]
    order = np.random.default_rng(0).permutation(12)
    write_steps(tmp_path / "a.h5", [FRAMES[order]], [names[k] for k in order])
    np.testing.assert_array_equal(frames_of(tmp_path / "a.h5"), FRAMES)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_cameras(count, tmp_path):
    cameras = [moving(3, seed=k) for k in range(count)]
    write_steps(tmp_path / "a.h5", cameras)
    write_stacked(tmp_path / "b.h5", {f"view{k}": frames for k, frames in enumerate(cameras)})
    for k, frames in enumerate(cameras):
        np.testing.assert_array_equal(frames_of(tmp_path / "a.h5", f"camera_{k}"), frames)
        np.testing.assert_array_equal(frames_of(tmp_path / "b.h5", f"view{k}"), frames)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1(kind, tmp_path):
    write_steps(tmp_path / "a.h5", [(FRAMES / 255).astype(kind)])
    write_stacked(tmp_path / "b.h5", {"c": (FRAMES / 255).astype(kind)})
    for name in ("a.h5", "b.h5"):
        found = frames_of(tmp_path / name).astype(int)
        assert np.abs(found - FRAMES).max() <= (kind is np.float16)


def test_what_is_no_colour_image_is_no_camera(tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"colour": FRAMES}, fps=12.5)
    with h5py.File(path, "a") as file:
        file["images/depth"] = np.zeros((12, 48, 64, 1), np.uint16)
        file["images/left_img_keypoint"] = np.zeros((12, 1, 3), np.float32)
    with open_recording(path) as recording:
        assert list(recording.cameras) == ["colour"] and recording.fps == 12.5


@pytest.mark.parametrize("rate", ["fast", -3, np.nan, [1, 2], 1e9])
def test_a_rate_that_is_none_is_left_out(rate, tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"c": FRAMES}, fps=rate)
    with open_recording(path) as recording:
        assert recording.fps is None


def test_files_of_another_layout(tmp_path):
    path = tmp_path / "a.h5"
    h5py.File(path, "w").close()
    assert "It is empty." in told(path)
    with h5py.File(path, "w") as file:
        file["data/demo_0"] = np.zeros(3)
        file["mask"] = np.zeros((2, 2), np.uint8)
    assert "It has data (a group), mask (uint8 (2, 2))." in told(path)
    write_steps(path, [FRAMES], [f"frame_{t}" for t in range(12)])
    assert "expected step_<i>/obs/image (1, cameras, 3, H, W)" in told(path)


def test_steps_with_gaps_and_of_one_number(tmp_path):
    path = tmp_path / "a.h5"
    write_steps(path, [FRAMES[:4]], ["step_0", "step_1", "step_4", "step_7"])
    assert "step_2 is missing (4 steps are, between step_0 and step_7)" in told(path)
    write_steps(path, [FRAMES[:2]], ["step_1", "step_01"])
    assert "two groups of one number" in told(path)
    write_steps(path, [FRAMES[:2]])
    with h5py.File(path, "a") as file:
        del file["step_1/obs/image"]
    assert "'step_1/obs/image' is missing" in told(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((1, 2, 3, 40, 64), np.uint8), "that of the first step is (1, 1, 3, 48, 64)"),
        (np.zeros((1, 1, 3, 48, 64), np.int32), "holds int32, expected uint8, or floats"),
        (np.full((1, 1, 3, 48, 64), 255.0), "floats are expected from 0 to 1"),
        (np.full((1, 1, 3, 48, 64), np.nan), "floats are expected from 0 to 1"),
        (np.zeros((1, 0, 3, 48, 64), np.uint8), "is empty"),
    ],
)
def test_a_step_that_is_another(data, words, tmp_path):
    path = write_steps(tmp_path / "a.h5", [FRAMES[:3]])
    with h5py.File(path, "a") as file:
        del file["step_2/obs/image"]
        file["step_2/obs/image"] = data
    assert "'step_2/obs/image'" in told(path) and words in told(path)


def test_images_of_another_shape(tmp_path):
    path = write_steps(tmp_path / "a.h5", [FRAMES[:1]])
    with h5py.File(path, "a") as file:
        del file["step_0/obs/image"]
        file["step_0/obs/image"] = FRAMES[0]
    assert "has shape (48, 64, 3), expected (1, cameras, 3, H, W)" in told(path)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("write", [write_steps, write_stacked])
def test_a_file_that_was_cut_short(write, part, tmp_path):
    path = tmp_path / "a.h5"
    write(path, [FRAMES] if write is write_steps else {"c": FRAMES})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "cannot be opened as an HDF5 file" in told(path)


def test_damage_in_the_middle(tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"c": FRAMES})
    with h5py.File(path) as file:
        place = file["images/c"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20 : place + 60] = bytes(40)
    path.write_bytes(content)
    assert "cannot be read" in told(path)


def test_a_recorder_that_did_not_finish(tmp_path):
    """Chunks that were never written would be read as black frames."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images/c", (12, 48, 64, 3), "u1", chunks=(1, 48, 64, 3))
        data[:7] = FRAMES[:7]
    assert "has 7 of 12 chunks" in told(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("images/c", (1 << 40, 48, 64, 3), "u1", chunks=(1, 48, 64, 3))
        file.create_dataset("images/d", (1 << 30, 48, 64, 3), "u1")
    assert "its writing was not finished" in told(path)


def test_nothing_is_read_from_other_files(tmp_path):
    secret = write_stacked(tmp_path / "secret.h5", {"c": FRAMES})
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"] = h5py.ExternalLink(str(secret), "/images")
    assert "leads through a link, which is not followed" in told(path)
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout(FRAMES.shape, np.uint8)
        layout[:] = h5py.VirtualSource(str(secret), "images/c", FRAMES.shape)
        file.create_virtual_dataset("images/c", layout)
    assert "lies in other files" in told(path)


def test_chunks_too_large_to_unpack(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        shape = (30_000, 64, 64, 3)
        file.create_dataset("images/c", shape, "u1", chunks=shape, compression="gzip")
    assert "store it again in smaller ones" in told(path)


def test_a_chunk_that_unpacks_to_more_than_it_says(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        shape = (1, 48, 64, 3)
        frames = file.create_dataset("images/c", shape, "u1", chunks=shape, compression="gzip")
        frames.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1 << 27), 9))
    assert "that unpacks to 9,216: a bomb" in told(path)


def test_a_camera_by_name(tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"left": FRAMES, "right": FRAMES})
    with open_recording(path) as recording:
        assert recording.camera("left").name == "left"
        with pytest.raises(InputError, match="has no camera 'top', but left, right"):
            recording.camera("top")
        with pytest.raises(InputError, match=r"name one \(--camera\), left, right"):
            recording.camera(None)


def test_key_points_are_added_to_a_copy(tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"left": FRAMES, "right": FRAMES})
    before = path.read_bytes()
    points = np.random.default_rng(0).uniform(size=(12, 4, 3)).astype(np.float32)
    names = ["a", "b", "b", "häkchen"]
    facts = {"left": dict(names=names, image_size=[64, 48], fps=10.0, model="m")}
    add_keypoints(path, tmp_path / "b.h5", {"left": points}, facts)
    assert path.read_bytes() == before
    found, attributes = read_keypoints(tmp_path / "b.h5")["left"]
    np.testing.assert_array_equal(found, points)
    assert attributes["names"].tolist() == names and attributes["fps"] == 10
    assert attributes["image_size"].tolist() == [64, 48] and attributes["model"] == "m"
    np.testing.assert_array_equal(frames_of(tmp_path / "b.h5", "right"), FRAMES)
    add_keypoints(tmp_path / "b.h5", tmp_path / "c.h5", {"left": points[:, :1]}, {})
    assert read_keypoints(tmp_path / "c.h5")["left"][0].shape == (12, 1, 3)


def test_ten_thousand_names_fit(tmp_path):
    path = write_stacked(tmp_path / "a.h5", {"c": FRAMES})
    names = [f"point {k}" for k in range(10_000)]
    points = np.zeros((12, 10_000, 3), np.float32)
    add_keypoints(path, tmp_path / "b.h5", {"c": points}, {"c": dict(names=names)})
    assert read_keypoints(tmp_path / "b.h5")["c"][1]["names"].tolist() == names


def test_key_points_do_not_go_where_a_link_leads(tmp_path):
    other = tmp_path / "other.h5"
    h5py.File(other, "w").close()
    path = write_stacked(tmp_path / "a.h5", {"c": FRAMES})
    with h5py.File(path, "a") as file:
        file["keypoints"] = h5py.ExternalLink(str(other), "/")
    before = other.read_bytes()
    with pytest.raises(InputError, match="link"):
        add_keypoints(path, tmp_path / "b.h5", {"c": np.zeros((12, 1, 3), np.float32)}, {})
    assert other.read_bytes() == before and not (tmp_path / "b.h5").exists()


def test_without_h5py_the_sentence_says_what_to_install(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"")
    code = (
        "import sys\nsys.modules['h5py'] = None\nfrom vovtrack.cli.main import main\n"
        f"sys.exit(main(['robot', 'extract', {str(tmp_path / 'a.h5')!r}, '--work', 'w']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 2
    assert "needs the package h5py: pip install" in run.stderr and "Traceback" not in run.stderr
