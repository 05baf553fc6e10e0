"""Videos of TAP-Vid files: every way they are stored, in bounded memory, and by fault."""

from __future__ import annotations

import io
import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from vovtrack.errors import InputError
from vovtrack.formats.tapvid import read_truth
from vovtrack.formats.tapvid_videos import open_videos, resized


def make(rng, frames=4, height=24, width=32, points=5):
    return {
        "video": rng.integers(0, 256, (frames, height, width, 3), np.uint8),
        "points": rng.random((points, frames, 2)),
        "occluded": rng.random((points, frames)) < 0.3,
    }


def jpeg(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_gives_the_same_pixels(tmp_path, protocol):
    rng = np.random.default_rng(0)
    content = {name: make(rng) for name in ("b", "a")}
    content["a"]["points"] = np.asfortranarray(content["a"]["points"].astype(np.float32))
    (tmp_path / "t.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    videos = open_videos(tmp_path / "t.pkl")
    assert [video.name for video in videos] == ["a", "b"]
    for video in videos:
        want = content[video.name]
        assert np.array_equal(np.stack(list(video.frames())), want["video"])
        assert np.array_equal(video.truth().occluded, want["occluded"])
        seen = ~want["occluded"]
        assert np.array_equal(video.truth().points[seen], want["points"][seen])


@pytest.mark.parametrize("protocol", [2, 4])
def test_shards_of_jpeg_files(tmp_path, protocol):
    rng = np.random.default_rng(1)
    shards = {f"{k:04d}_of_0010": [make(rng), make(rng, frames=2)] for k in range(2)}
    for name, videos in shards.items():
        packed = [{**video, "video": [jpeg(f) for f in video["video"]]} for video in videos]
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(packed, protocol=protocol))
    found = {video.name: video for video in open_videos(tmp_path)}
    wanted = {f"{name}/{k:05d}": v for name, videos in shards.items() for k, v in enumerate(videos)}
    assert list(found) == list(wanted)
    assert list(read_truth(tmp_path)) == list(wanted)
    for name, want in wanted.items():
        decoded = [np.array(Image.open(io.BytesIO(jpeg(frame)))) for frame in want["video"]]
        assert np.array_equal(np.stack(list(found[name].frames())), np.stack(decoded))


@pytest.mark.parametrize("protocol", [2, 4])
def test_memory_is_that_of_one_video(tmp_path, protocol):
    rng = np.random.default_rng(2)
    one = make(rng, frames=8, height=256, width=256)
    copies = {f"{k}": {**one, "video": one["video"] + np.uint8(k)} for k in range(12)}
    path = tmp_path / "t.pkl"
    path.write_bytes(pickle.dumps(copies, protocol=protocol))
    size = one["video"].nbytes
    del copies
    tracemalloc.start()
    try:
        for number, video in enumerate(open_videos(path)):
            frames = [resized(frame, 64, 64) for frame in video.frames()]
            assert len(frames) == 8 and video.truth().points.shape == (5, 8, 2), number
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The text of an old pickle takes the bytes of the file, the text and the numbers.
    assert peak < (6 if protocol == 2 else 2.5) * size


def change_video(make_video):
    return lambda video: video.update(video=make_video(video["video"]))


FAULTS = [
    (lambda v: v.pop("video"), r"must be a uint8 array \(T, H, W, 3\) or a list of JPEG files"),
    (change_video(lambda p: p.astype(np.float32)), "must be a uint8 array"),
    (change_video(lambda p: p[..., 0]), "must be a uint8 array"),
    (change_video(lambda p: p[1:]), "3 frames, and points of 4"),
    (change_video(lambda p: [jpeg(p[0])]), "1 frames, and points of 4"),
    (change_video(lambda p: [jpeg(p[0])[:-300]]), "frame 0: the picture is damaged"),
    (change_video(lambda p: [b"no picture"]), "frame 0: the picture is damaged"),
    (change_video(lambda p: ["text"]), "is not the bytes of a picture"),
    (change_video(lambda p: [jpeg(p[0]), jpeg(p[1][:8])]), r"frame 1: is of size \(32, 8\), not"),
    (lambda v: v.pop("occluded"), "has no 'occluded'"),
    (lambda v: v.update(points=np.zeros((5, 3, 2))), r"must be \(N, T, 2\)"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_faults_are_sentences(tmp_path, fault, message):
    video = make(np.random.default_rng(3))
    fault(video)
    (tmp_path / "t.pkl").write_bytes(pickle.dumps([video]))
    with pytest.raises(InputError, match=rf"t\.pkl: video '00000'.*{message}"):
        (opened,) = open_videos(tmp_path / "t.pkl")
        opened.truth()
        list(opened.frames())


def test_other_faults(tmp_path):
    with pytest.raises(InputError, match=r"found no \.pkl file"):
        open_videos(tmp_path)
    path = tmp_path / "t.pkl"
    for content in ({}, [], 3, b"x" * 1000):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match="expected a dict or a list of videos"):
            open_videos(path)
    path.write_bytes(pickle.dumps([make(np.random.default_rng(4))]))
    (video,) = open_videos(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot read a stored value .it has become shorter"):
        list(video.frames())


def test_a_stored_array_that_is_named_again_and_again_is_refused(tmp_path):
    array = np.zeros(3 << 20, np.uint8)
    (tmp_path / "t.pkl").write_bytes(pickle.dumps([{"video": array, "points": array}]))
    with pytest.raises(InputError, match="its arrays are larger than the file"):
        open_videos(tmp_path / "t.pkl")
