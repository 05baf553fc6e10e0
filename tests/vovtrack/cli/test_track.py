"""``vovtrack track`` as a user types it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ovtrack.online import OVOnlineTracker
from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.formats.mot.sequences import read_sequence
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import render_clip
from vovtrack.visualization import VideoWriter

ROOT = Path(__file__).resolve().parents[3]
SHIPPED_WEIGHTS = ROOT / "saved_models/mini/ovtrack_mini.safetensors"
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


def test_detections_are_linked_by_another_tracker(folder, tmp_path, capsys):
    """As 'vovtrack replay --tracker' does; boxes are those of the detector."""
    boxes = {}
    for name in ("ovtracker", "iou", "bytetrack"):
        path = tmp_path / f"{name}.json"
        assert track(folder, "--json", path, "--tracker", name, "--score-thr", 0.05) == 0
        content = json.loads(path.read_text())
        boxes[name] = {tuple(t["bbox"]) for frame in content["frames"] for t in frame["tracks"]}
    assert boxes["iou"] >= boxes["bytetrack"] > set() and boxes["iou"] != boxes["bytetrack"]
    capsys.readouterr()
    assert track(folder, "--json", tmp_path / "o.json", "--tracker", "bytetrak") == 2
    assert "Trackers by name: bytetrack, iou, ocsort" in capsys.readouterr().err
    assert track(folder, "--json", tmp_path / "o.json", "--box", "1,2,3,4") == 2
    assert "follows classes; it cannot use boxes" in capsys.readouterr().err


def test_batches_write_the_same(folder, tmp_path):
    for size in (1, 2):
        args = ("--classes", NAMES, "--json", tmp_path / f"{size}.json", "--batch-size", size)
        assert track(folder, *args) == 0
    first, second = (json.loads((tmp_path / f"{size}.json").read_text()) for size in (1, 2))
    assert first["classes"] == NAMES.split(", ")
    assert len(first["frames"]) == len(second["frames"]) == 5
    ids = [[[t["track_id"] for t in f["tracks"]] for f in r["frames"]] for r in (first, second)]
    assert ids[0] == ids[1]


def broken(folder, path, index: int):
    """A copy of the folder whose frame ``index`` cannot be read."""
    path.mkdir()
    for image in folder.iterdir():
        (path / image.name).write_bytes(image.read_bytes())
    (path / f"frame{index}.jpg").write_bytes(b"not an image")
    return path


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_bad_frame_is_an_error_that_keeps_the_frames_before(folder, tmp_path, capsys, batch_size):
    frames = broken(folder, tmp_path / "frames", 3)
    out = {kind: tmp_path / f"o.{kind}" for kind in ("mp4", "json", "txt")}
    words = ("--out", out["mp4"], "--json", out["json"], "--mot", out["txt"])
    assert track(frames, *words, "--score-thr", 0.05, "--batch-size", batch_size) == 2
    error = capsys.readouterr().err
    assert "frame3.jpg" in error and "The 3 frames before it are kept in " in error
    content = json.loads(out["json"].read_text())
    assert content["complete"] is False and "frame3.jpg" in content["reason"]
    assert content["num_frames"] == len(content["frames"]) == 3
    assert_whole_tracks(content)
    assert len(list(read_video(out["mp4"]))) == 3
    frames_with_tracks = {int(row.split(",")[0]) for row in out["txt"].read_text().splitlines()}
    assert frames_with_tracks and frames_with_tracks <= {1, 2, 3}


def test_bad_frames_can_be_left_out(folder, tmp_path, capsys):
    frames = broken(folder, tmp_path / "frames", 2)
    assert track(frames, "--json", tmp_path / "o.json", "--on-bad-frame", "skip") == 0
    assert "frame2.jpg" in capsys.readouterr().out
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["complete"] is True and content["num_frames"] == 4
    assert len(content["bad_frames"]) == 1 and "frame2.jpg" in content["bad_frames"][0]


def test_a_run_without_frames_replaces_nothing(folder, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("ovtrack.online.OVOnlineTracker.step_batch", fail)
    (tmp_path / "o.json").write_text("old")
    with pytest.raises(RuntimeError, match="out of memory"):
        track(folder, "--json", tmp_path / "o.json", "--out", tmp_path / "o.mp4")
    assert (tmp_path / "o.json").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_an_error_of_the_model_keeps_the_frames_before(folder, tmp_path, monkeypatch):
    step = OVOnlineTracker.step_batch

    def fail(self, frames):
        if self.num_frames == 2:
            raise RuntimeError("out of memory")
        return step(self, frames)

    monkeypatch.setattr(OVOnlineTracker, "step_batch", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        track(folder, "--json", tmp_path / "o.json", "--out", tmp_path / "o.mp4")
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["reason"] == "RuntimeError: out of memory" and content["num_frames"] == 2
    assert len(list(read_video(tmp_path / "o.mp4"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--out"),
        (("--json", "o.json", "--classes", ""), "name"),
        (("--json", "o.json", "--classes", "a, a"), "a"),
        (("--json", "o.json", "--checkpoint", "no.pth"), "no.pth"),
        (("--json", "o.json", "--config", "minni"), "mini"),
        (("--json", "o.json", "--batch-size", "0"), "batch size is 0"),
        (("--json", "o.json", "--score-thr", "nan"), "score threshold is nan"),
        (("--json", "o.json", "--score-thr", "2"), "score threshold is 2.0"),
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
        (("--json", "hard.mp4"), "is also the source"),
        (("--json", "soft.mp4"), "is also the source"),
        (("--json", "/dev/full"), "is a device"),
        (("--json", "/dev/stdout"), "is a symbolic link"),
        (("--json", "pipe"), "is a device or a pipe"),
        (("--mot", "/dev/null"), "is a device"),
        (("--json", "w", "--checkpoint", "w"), "is also the checkpoint"),
        (("--json", "c.yaml", "--config", "c.yaml"), "is also the config"),
        (("--json", "/sys/a.json"), "cannot be written"),
    ],
)
def test_no_file_is_replaced_by_mistake(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("source.mp4", 5) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    os.link("source.mp4", "hard.mp4")
    os.symlink("source.mp4", "soft.mp4")
    os.mkfifo("pipe")
    for name in ("w", "c.yaml"):
        Path(name).write_text("precious")
    listed = sorted(tmp_path.iterdir())
    before = (tmp_path / "source.mp4").read_bytes()
    assert track("source.mp4", *(word.format(here=tmp_path.name) for word in words)) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == listed
    assert (tmp_path / "source.mp4").read_bytes() == before
    assert Path("w").read_text() == Path("c.yaml").read_text() == "precious"


def test_a_frame_of_the_source_and_a_file_of_the_config_are_not_replaced(folder, tmp_path, capsys):
    frame = folder / "frame1.jpg"
    before = frame.read_bytes()
    assert track(folder, "--json", frame) == 2
    assert "is also a frame of the source" in capsys.readouterr().err
    assert frame.read_bytes() == before
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(SHIPPED_WEIGHTS.read_bytes())
    config = tmp_path / "c.yaml"
    config.write_text(f"_base_: {ROOT}/configs/mini/ovtrack.py\ndefault_checkpoint: {weights}\n")
    for target, what in ((weights, "the checkpoint"), (config, "the config")):
        assert track(folder, "--config", config, "--json", target) == 2
        assert f"is also {what}" in capsys.readouterr().err
    assert weights.read_bytes() == SHIPPED_WEIGHTS.read_bytes()


def test_an_unknown_device_is_a_sentence(folder, capsys):
    assert main(["track", str(folder), "--json", "o.json", "--device", "gpu"]) == 2
    assert "Device 'gpu'" in capsys.readouterr().err


@pytest.fixture
def long_clip(folder, tmp_path):
    """Two thousand frames, so that a run can be ended in its middle."""
    frames = tmp_path / "frames"
    frames.mkdir()
    images = sorted(folder.iterdir())
    for t in range(2000):
        (frames / f"{t}.jpg").symlink_to(images[t % len(images)])
    return frames


@contextmanager
def running(source, *words, after: int):
    """``vovtrack track`` in a process of its own, once so many frames are in its JSON file."""
    command = [sys.executable, "-m", "vovtrack", "track", source, *words, "--device", "cpu"]
    folder = Path(words[words.index("--json") + 1]).parent
    with (
        open(folder / "stdout", "w") as out,
        open(folder / "stderr", "w") as err,
        subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=out, stderr=err) as process,
    ):
        while process.poll() is None and lines(folder) < after:
            time.sleep(0.05)
        yield process


def lines(folder) -> int:
    return sum(p.read_text().count("\n") for p in folder.glob("o.*.partial.json"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_done(long_clip, tmp_path, capsys, number):
    out = {kind: tmp_path / f"o.{kind}" for kind in ("mp4", "json", "txt")}
    words = ("--out", out["mp4"], "--json", out["json"], "--mot", out["txt"])
    with running(long_clip, *words, after=3) as process:
        # Meanwhile a second run to one of these files is refused.
        assert track(long_clip, "--out", out["mp4"], "--max-frames", 1) == 2
        assert "is being written by another run" in capsys.readouterr().err
        process.send_signal(number)
        process.wait(timeout=60)
    assert process.returncode == 128 + number, (tmp_path / "stderr").read_text()
    content = json.loads(out["json"].read_text())
    done = content["num_frames"]
    assert content["complete"] is False and number.name in content["reason"]
    assert 3 <= done == len(content["frames"]) < 2000
    assert f"{done} frames" in (tmp_path / "stdout").read_text()
    assert len(list(read_video(out["mp4"]))) == done
    left = {path.name for path in tmp_path.iterdir()} - {"stdout", "stderr"}
    assert left == {"frames", "o.mp4", "o.json", "o.txt"}


def test_a_kill_leaves_what_was_done_where_the_next_run_finds_it(long_clip, tmp_path, capsys):
    out = {kind: tmp_path / f"o.{kind}" for kind in ("mp4", "json", "txt")}
    words = ("--out", out["mp4"], "--json", out["json"], "--mot", out["txt"])
    with running(long_clip, *words, after=60) as process:
        process.kill()
    assert not any(path.exists() for path in out.values())
    (partial,) = tmp_path.glob("o.*.partial.json")
    head, *rows = partial.read_text().splitlines()
    assert json.loads(head + "]}")["classes"]
    frames = [json.loads(row.rstrip(",")) for row in rows[:-1]]
    assert [frame["frame_id"] for frame in frames] == list(range(len(frames)))
    assert len(frames) >= 58
    (partial_video,) = tmp_path.glob("o.*.partial.mp4")
    with av.open(str(partial_video)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 15
    assert track(long_clip, *words, "--max-frames", 2) == 0
    printed = capsys.readouterr().out
    assert printed.count("a run that was killed left") == 3 and str(partial) in printed
    assert json.loads(out["json"].read_text())["complete"] is True and partial.exists()


def test_a_full_disk_keeps_the_beginning(long_clip, tmp_path, capsys):
    """Files cannot grow beyond 10 kB, which the JSON file reaches first; the other is finished."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        words = ("--json", tmp_path / "o.json", "--mot", tmp_path / "o.txt")
        assert track(long_clip, *words, "--score-thr", 0.05) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err
    assert "o.json' cannot be written: File too large. Its beginning is in" in error
    (partial,) = tmp_path.glob("o.*.partial.json")
    assert partial.stat().st_size == 10_000 and not (tmp_path / "o.json").exists()
    assert (tmp_path / "o.txt").read_text().endswith("\n")


def test_no_track_at_all_is_explained(tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    words = ["track", str(frames), "--classes", "elephant", "--json", str(tmp_path / "o.json")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "0 tracks" in printed and "knows only the coloured shapes" in printed
