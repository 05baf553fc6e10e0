"""What a written video keeps of its source: times, shape of the pixels, sound."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.visualization import VideoWriter

TIMES = (0.0, 0.04, 0.08, 0.5, 0.54, 1.0, 1.04, 2.5)
SUFFIXES = (".mp4", ".mkv", ".mov")


def image(value: int = 0) -> np.ndarray:
    return np.full((48, 64, 3), value, np.uint8)


def write_source(path, times=TIMES, aspect=Fraction(1), sound=None, rotation=0, start=0.0) -> None:
    """A video with such times in seconds, and the sound of a rising tone by that codec."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 12800)
        video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=48000) if sound else None
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(image(20 * i), format="rgb24")
            frame.pts, frame.time_base = round((time + start) * 12800), Fraction(1, 12800)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            size = audio.codec_context.frame_size or 1024
            for k in range(int((times[-1] + 0.5) * 48000) // size):
                tone = np.sin(np.arange(size) * (0.01 + 0.0001 * k)).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48000, k * size + round(start * 48000)
                frame.time_base = Fraction(1, 48000)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())


def copy(source, target, frames: int | None = None) -> VideoWriter:
    """Write what was read, as tracking does."""
    video = read_video(source, max_frames=frames)
    options = dict(time_base=video.time_base, pixel_aspect=video.pixel_aspect, audio=video.audio)
    with VideoWriter(target, video.fps, **options) as writer:
        for frame, time in video.timed():
            writer.write(frame, time)
    return writer


def times_of(path) -> list[float]:
    return [round(time, 3) for _, time in read_video(path).timed()]


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", SUFFIXES)
def test_a_variable_rate_is_kept(tmp_path, source, target):
    write_source(tmp_path / f"a{source}")
    assert times_of(tmp_path / f"a{source}") == list(TIMES)
    copy(tmp_path / f"a{source}", tmp_path / f"b{target}")
    assert times_of(tmp_path / f"b{target}") == list(TIMES)
    with av.open(str(tmp_path / f"b{target}")) as container:
        assert container.duration / 1e6 == pytest.approx(2.5, abs=0.2)


def test_a_constant_rate_is_kept(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", Fraction(30000, 1001)) as writer:
        for i in range(30):
            writer.write(image(i))
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    for name in ("a.mp4", "b.mp4"):
        assert read_video(tmp_path / name).fps == pytest.approx(30000 / 1001, rel=1e-6)


def test_avi_has_one_rate(tmp_path):
    write_source(tmp_path / "a.mp4")
    copy(tmp_path / "a.mp4", tmp_path / "b.avi")
    assert len(list(read_video(tmp_path / "b.avi"))) == len(TIMES)


@pytest.mark.parametrize("times", [(0.0, 0.0, 0.0), (0.4, 0.2, 0.3), (0.0, None, 0.02)])
def test_times_that_do_not_grow_are_mended(tmp_path, times):
    with VideoWriter(tmp_path / "a.mp4", 25, time_base=Fraction(1, 1000)) as writer:
        for time in times:
            writer.write(image(), time)
    assert len(set(times_of(tmp_path / "a.mp4"))) == 3


@pytest.mark.parametrize(("rotation", "expected"), [(0, Fraction(4, 3)), (90, Fraction(3, 4))])
def test_the_shape_of_pixels_is_kept(tmp_path, rotation, expected):
    write_source(tmp_path / "a.mp4", aspect=Fraction(4, 3), rotation=rotation)
    assert read_video(tmp_path / "a.mp4").pixel_aspect == expected
    for suffix in SUFFIXES:
        copy(tmp_path / "a.mp4", tmp_path / f"b{suffix}")
        assert read_video(tmp_path / f"b{suffix}").pixel_aspect == expected


def sound_of(path) -> list[tuple[float, bytes]]:
    """Second and content of each packet from the first picture on."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.pts is not None]
        start = container.streams.video[0].start_time or 0
        start *= container.streams.video[0].time_base
        timed = [(float(p.pts * p.time_base - start), bytes(p)) for p in packets]
    return [packet for packet in timed if packet[0] > -0.01]


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", SUFFIXES)
def test_sound_is_copied_with_its_times(tmp_path, source, target, start):
    source, target = tmp_path / f"a{source}", tmp_path / f"b{target}"
    write_source(source, sound="aac", start=start)
    assert copy(source, target).notes == []
    whole, copied = sound_of(source), sound_of(target)
    seconds, packets = zip(*copied, strict=True)
    assert packets == tuple(content for _, content in whole[: len(copied)])
    assert np.allclose(seconds, [second for second, _ in whole[: len(copied)]], atol=0.003)
    assert 2.5 < seconds[-1] < 2.7
    assert np.allclose(times_of(target), TIMES, atol=0.002)


def test_sound_ends_with_the_pictures(tmp_path):
    write_source(tmp_path / "a.mp4", sound="aac")
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4", frames=4)
    assert 0.5 < sound_of(tmp_path / "b.mp4")[-1][0] < 0.7


def test_sound_that_the_container_cannot_hold_is_named(tmp_path):
    write_source(tmp_path / "a.mkv", sound="libopus")
    writer = copy(tmp_path / "a.mkv", tmp_path / "b.avi")
    assert "cannot hold opus sound" in writer.notes[0]
    assert len(list(read_video(tmp_path / "b.avi"))) == len(TIMES)


@pytest.mark.parametrize("size", [(48, 64), (47, 61)])
def test_without_loss_every_pixel_is_kept(size, tmp_path):
    """Sides may be odd: colour has full resolution."""
    frames = np.random.default_rng(0).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "v.mkv", 10, lossless=True) as writer:
        for frame in frames:
            writer.write(frame)
    np.testing.assert_array_equal(np.stack(list(read_video(tmp_path / "v.mkv"))), frames)
    with pytest.raises(InputError, match="needs the suffix .mkv"):
        VideoWriter(tmp_path / "v.mp4", 10, lossless=True)
