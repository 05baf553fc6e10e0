"""``vovtrack track`` and ``vovtrack doctor`` as a user types them."""

from __future__ import annotations

import json

import cv2
import pytest

from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.formats.mot import read_sequence
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import render_clip

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


def test_doctor_reports_and_is_content(capsys):
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for word in ("torchvision", "operators", "cuda", "ovtrack_finetune_final.pth"):
        assert word in report
