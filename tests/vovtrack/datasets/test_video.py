"""Sources of frames: files, folders, arrays; what cannot be read is named."""

from __future__ import annotations

import threading

import av
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


def copy_packets(source, target, shift: float = 0.0, **options) -> None:
    """Write the packets of a video to another file as they are, ``shift`` seconds earlier."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = old.streams.video[0]
        copied = new.add_stream_from_template(stream)
        ticks = int(shift / stream.time_base)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = (
                    packet.pts - ticks,
                    packet.dts - ticks,
                    copied,
                )
                new.mux(packet)


def cut(path, part: float):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Sixty frames of moving noise: each takes its share of the file."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    still = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with VideoWriter(path, fps=20) as writer:
        for shift in range(60):
            writer.write(np.roll(still, shift, axis=1))
    return path


@pytest.mark.parametrize(("name", "options"), [("c.mp4", {"movflags": "faststart"}), ("c.mkv", {})])
def test_a_file_that_ends_early_is_named_with_the_frame(tmp_path, noise, name, options):
    copy_packets(noise, tmp_path / name, **options)
    assert len(list(read_video(tmp_path / name))) == 60
    path = cut(tmp_path / name, 0.6)
    with pytest.raises(InputError, match=rf"{name}, frame \d+ .*--on-bad-frame skip"):
        list(read_video(path))
    source = read_video(path, on_bad_frame="skip")
    assert 20 < len(list(source)) < 50
    assert "the file ends after" in source.bad_frames[-1]


def test_what_follows_a_damaged_frame_is_not_lost(tmp_path, noise):
    with av.open(str(noise)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        hurt = packets[20]
        place, size = hurt.pos, hurt.size
    content = bytearray(noise.read_bytes())
    content[place : place + size] = bytes(size)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.mp4, frame \d+"):
        list(read_video(damaged))
    source = read_video(damaged, on_bad_frame="skip")
    assert len(list(source)) >= 55
    assert 1 <= len(source.bad_frames) <= 5 and "damaged.mp4, frame" in source.bad_frames[0]


def test_a_frame_that_the_decoder_paints_over_is_reported(tmp_path, noise):
    content = bytearray(noise.read_bytes())
    with av.open(str(noise)) as container:
        hurt = next(p for i, p in enumerate(container.demux(video=0)) if i == 20)
        half = hurt.pos + hurt.size // 2
        content[half : hurt.pos + hurt.size] = bytes(hurt.pos + hurt.size - half)
    (tmp_path / "painted.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"painted\.mp4, frame \d+ is damaged"):
        list(read_video(tmp_path / "painted.mp4"))


def test_a_cut_that_hides_frames_is_whole(tmp_path, noise):
    copy_packets(noise, tmp_path / "edited.mp4", shift=0.5)
    source = read_video(tmp_path / "edited.mp4")
    assert 40 <= len(list(source)) < 60 and source.bad_frames == []


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_turned_camera_is_upright(tmp_path, degrees):
    """OpenCV turns such videos by itself: the pixels agree."""
    path = tmp_path / "turned.mp4"
    image = gray(0, (48, 64))
    image[:24, :32, 0] = 250
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    expected = cv2.VideoCapture(str(path)).read()[1][..., ::-1]
    source = read_video(path)
    (frame,) = source
    assert (source.height, source.width) == frame.shape[:2] == expected.shape[:2]
    assert np.abs(frame.astype(int) - expected).mean() < 2


def test_reading_again_starts_again(video, folder):
    for source in (read_video(video), read_video(folder), read_video([gray(1), gray(2)])):
        assert len(list(source)) == len(list(source)) > 0


def test_a_generator_refuses_a_second_reading():
    source = read_video(gray(i) for i in range(3))
    assert [frame[0, 0, 0] for frame in source] == [0, 1, 2]
    with pytest.raises(InputError, match="only once"):
        list(source)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (gray(1, (30, 30)), "frame 1 is 30x30, the first is 32x24"),
        (gray(1)[..., 0], "Frame 1 is uint8"),
        (gray(1) / 255, "Frame 1 is float64"),
        ("frame.png", "Frame 1 is str"),
    ],
)
def test_arrays_that_are_not_frames_are_refused(second, message):
    with pytest.raises(InputError, match=message):
        list(read_video([gray(0), second]))


def test_only_files_with_any_name_count_as_images(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    for name in ("a\u00b2.png", "1.png", "b.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", gray(9))[1].tobytes())
    assert len(list(read_video(tmp_path))) == 3


@pytest.mark.parametrize("source", [None, 3.5, "99"])
def test_what_is_not_a_source_is_refused(source):
    with pytest.raises(InputError):
        read_video(source)


@pytest.mark.parametrize("count", [0, -1])
def test_max_frames_is_positive(video, count):
    with pytest.raises(InputError, match="max_frames"):
        read_video(video, max_frames=count)


@pytest.mark.parametrize("name", ["mmdet_demo", "qdtrack_demo", "track_on_sample"])
def test_real_videos_are_whole(realdata, name):
    source = read_video(realdata / "videos" / f"{name}.mp4")
    assert sum(1 for _ in source) == source.num_frames and source.bad_frames == []


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
        (lambda p: (p / "a.mp4").write_text("text") and p / "a.mp4", "not a readable video"),
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
