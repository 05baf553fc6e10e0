"""``vovtrack track`` as a user types it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.formats.mot import read_sequence
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import render_clip
from vovtrack.visualization import VideoWriter

ROOT = Path(__file__).resolve().parents[3]
NAMES = "striped red star, solid blue circle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    frames, _ = render_clip(seed=1, num_frames=5, width=160, height=120)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(path / f"frame{t}.jpg"), frame[..., ::-1])
    return path


def track(*words) -> int:
    return main(["track", *map(str, words), "--device", "cpu"])


def assert_whole_tracks(content: dict) -> None:
    """Each track as a whole agrees with its boxes in the frames."""
    assert content["tracks"], "no track, nothing compared"
    for whole in content["tracks"]:
        seen = [
            (frame["frame_id"], track)
            for frame in content["frames"]
            for track in frame["tracks"]
            if track["track_id"] == whole["track_id"]
        ]
        frames, rows = zip(*seen, strict=True)
        names = [row["class"] for row in rows]
        most = max(map(names.count, names))
        best = [n for n in content["classes"] if names.count(n) == most]
        assert whole["class"] == best[0] and whole["boxes"] == len(rows)
        assert (whole["first_frame"], whole["last_frame"]) == (frames[0], frames[-1])
        mean = sum(row["score"] for row in rows) / len(rows)
        assert whole["score"] == pytest.approx(mean, abs=2e-6)


def test_a_folder_becomes_video_json_and_mot(folder, tmp_path, capsys):
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("mp4", "json", "txt")}
    code = track(
        folder,
        *("--out", outputs["mp4"], "--json", outputs["json"], "--mot", outputs["txt"]),
        *("--score-thr", "0.05"),
    )
    assert code == 0 and "5 frames" in capsys.readouterr().out
    assert len(list(read_video(outputs["mp4"]))) == 5
    content = json.loads(outputs["json"].read_text())
    assert [frame["frame_id"] for frame in content["frames"]] == [*range(5)]
    found = [track for frame in content["frames"] for track in frame["tracks"]]
    assert_whole_tracks(content)
    assert {"track_id", "class", "score", "bbox"} == set(found[0])
    vocabulary = Vocabulary.from_names(content["classes"])
    assert len(read_sequence(outputs["txt"], 160, 120, 5, vocabulary)) == len(found)


def test_batches_write_the_same(folder, tmp_path):
    for size in (1, 2):
        args = ("--classes", NAMES, "--json", tmp_path / f"{size}.json", "--batch-size", size)
        assert track(folder, *args) == 0
    first, second = (json.loads((tmp_path / f"{size}.json").read_text()) for size in (1, 2))
    assert first["classes"] == NAMES.split(", ")
    assert len(first["frames"]) == len(second["frames"]) == 5
    ids = [[[t["track_id"] for t in f["tracks"]] for f in r["frames"]] for r in (first, second)]
    assert ids[0] == ids[1]


def test_bad_frames_are_an_error_or_listed(folder, tmp_path, capsys):
    broken = tmp_path / "frames"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "frame2.jpg").write_bytes(b"not an image")
    out = tmp_path / "o.json"
    assert track(broken, "--json", out) == 2
    assert "frame2.jpg" in capsys.readouterr().err and not out.exists()
    assert track(broken, "--json", out, "--on-bad-frame", "skip") == 0
    assert "frame2.jpg" in capsys.readouterr().out and out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--out"),
        (("--json", "o.json", "--classes", ""), "name"),
        (("--json", "o.json", "--classes", "a, a"), "a"),
        (("--json", "o.json", "--checkpoint", "no.pth"), "no.pth"),
        (("--json", "o.json", "--config", "minni"), "mini"),
        (("--json", "o.json", "--batch-size", "0"), "--batch-size"),
        (("--out", "o.gif"), ".mp4"),
    ],
)
def test_mistakes_are_sentences(folder, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert track(folder, *words) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mmdet_demo", "qdtrack_demo", "track_on_sample"])
def test_real_videos(realdata, tmp_path, name):
    out = tmp_path / "tracked.mp4"
    assert track(realdata / "videos" / f"{name}.mp4", "--out", out, "--max-frames", 3) == 0
    assert len(list(read_video(out))) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "source.mp4"), "is also the source"),
        (("--out", "./../{here}/source.mp4"), "is also the source"),
        (("--json", "a", "--mot", "./a"), "is also the file of --json"),
        (("--json", "."), "names a folder"),
        (("--json", "source.mp4/a.json"), "cannot be written"),
        (("--json", "a", "--max-frames", "0"), "max_frames"),
    ],
)
def test_no_file_is_replaced_by_mistake(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("source.mp4", 5) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    before = (tmp_path / "source.mp4").read_bytes()
    assert track("source.mp4", *(word.format(here=tmp_path.name) for word in words)) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]
    assert (tmp_path / "source.mp4").read_bytes() == before


def test_an_unknown_device_is_a_sentence(folder, capsys):
    assert main(["track", str(folder), "--json", "o.json", "--device", "gpu"]) == 2
    assert "Device 'gpu'" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_done(folder, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    images = sorted(folder.iterdir())
    for t in range(2000):
        (frames / f"{t}.jpg").symlink_to(images[t % len(images)])
    out = {kind: tmp_path / f"o.{kind}" for kind in ("mp4", "json", "txt")}
    words = ("--out", out["mp4"], "--json", out["json"], "--mot", out["txt"], "--device", "cpu")
    command = [sys.executable, "-m", "vovtrack.cli", "track", frames, *words]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, **pipes) as process:
        while process.poll() is None and not any(
            size(p) for p in tmp_path.glob(".o.mp4.*.unfinished")
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "interrupted" in printed, errors
    done = len(json.loads(out["json"].read_text())["frames"])
    assert 0 < done < 2000 and f"{done} frames" in printed
    assert len(list(read_video(out["mp4"]))) == done
    assert {path.name for path in tmp_path.iterdir()} == {"frames", "o.mp4", "o.json", "o.txt"}


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
