"""Video files become folders of frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ovtrack.datasets import RawSnippetDataset
from vovtrack.cli.main import main
from vovtrack.datasets.extraction import extract_videos
from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError


@pytest.fixture
def videos(tmp_path):
    """Two short videos in a folder, one of them in a sub-folder."""
    folder = tmp_path / "videos"
    (folder / "more").mkdir(parents=True)
    for path, frames in ((folder / "one.mp4", 12), (folder / "more/two.avi", 9)):
        code = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
        writer = cv2.VideoWriter(str(path), code, 10, (64, 48))
        for index in range(frames):
            image = np.full((48, 64, 3), 20 * index, np.uint8)
            writer.write(cv2.rectangle(image, (index, 5), (index + 9, 20), (0, 0, 255), -1))
        writer.release()
    (folder / "notes.txt").write_text("no video")
    return folder


def test_every_frame_is_there_in_order(videos, tmp_path):
    counts, problems = extract_videos([videos], tmp_path / "out", quality=100, workers=1)
    assert counts == {"more_two": 9, "one": 12} and problems == []
    files = sorted((tmp_path / "out/one").iterdir())
    assert [file.name for file in files] == [f"{i:06d}.jpg" for i in range(12)]
    for file, frame in zip(files, read_video(videos / "one.mp4"), strict=True):
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        assert np.abs(image.astype(int) - frame).mean() < 3


def test_every_third_frame(videos, tmp_path):
    counts, _ = extract_videos([videos / "one.mp4"], tmp_path / "out", every=3, workers=1)
    assert counts == {"one": 4}


def test_an_interrupted_run_resumes(videos, tmp_path):
    out = tmp_path / "out"
    extract_videos([videos / "one.mp4"], out, workers=1)
    kept = (out / "one/000000.jpg").stat().st_mtime_ns
    killed = out / ".more_two.0123456789abcdef.unfinished"
    killed.mkdir()
    (killed / "000000.jpg").write_bytes(b"half")
    counts, _ = extract_videos([videos], out, workers=1)
    assert counts == {"more_two": 9, "one": 12}
    assert (out / "one/000000.jpg").stat().st_mtime_ns == kept
    assert sorted(path.name for path in out.iterdir()) == ["more_two", "one"]


def test_a_broken_video_is_named_and_leaves_nothing(videos, tmp_path, capfd):
    (videos / "bad.mp4").write_bytes((videos / "one.mp4").read_bytes()[:300])
    out = tmp_path / "out"
    assert main(["prepare", "frames", str(videos), "--out", str(out), "--workers", "2"]) == 1
    told = capfd.readouterr()
    assert "21 frames of 2 videos" in told.out and "bad.mp4" in told.err
    assert sorted(path.name for path in out.iterdir()) == ["more_two", "one"]


def test_self_supervision_reads_them(videos, tmp_path):
    extract_videos([videos], tmp_path / "out", workers=1)
    data = RawSnippetDataset(data_root=str(tmp_path), folders=["out"], pipeline=[])
    assert len(data) == 2


def test_impossible_requests(videos, tmp_path):
    with pytest.raises(InputError, match="every is 0"):
        extract_videos([videos], tmp_path, every=0)
    with pytest.raises(InputError, match="does not exist"):
        extract_videos([tmp_path / "none.mp4"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no video files"):
        extract_videos([tmp_path / "empty"], tmp_path)
    (videos / "one.avi").write_bytes(b"")
    with pytest.raises(InputError, match="would both become the folder 'one'"):
        extract_videos([videos], tmp_path)


def test_missing_images_are_listed(world, tmp_path, capsys):
    annotations = str(world / "tao/annotations/validation.json")
    words = ["prepare", "check", annotations]
    assert main([*words, str(world / "tao/frames")]) == 0
    assert "are there" in capsys.readouterr().out
    frames = sorted((world / "tao/frames").rglob("*.jpg"))
    (tmp_path / "frames").mkdir()
    out = tmp_path / "missing.txt"
    assert main([*words, str(tmp_path / "frames"), "--out", str(out)]) == 1
    listed = out.read_text().split()
    assert listed and {str(world / "tao/frames" / name) for name in listed} <= set(map(str, frames))
    assert main([*words, str(tmp_path / "none")]) == 2
