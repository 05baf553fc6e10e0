"""Boxes of later frames, in words and in Python, and bad boxes and frames on the command line."""

from __future__ import annotations

import csv
import json
import re

import cv2
import numpy as np
import pytest
import torch

from tests.places import ROOT
from tests.sot.networks import build
from tests.sot.test_online import BOXES, OPEN
from vovtrack.cli.main import main
from vovtrack.engine.box_words import parse_boxes
from vovtrack.errors import InputError
from vovtrack.sot.online import DiMPTracker
from vovtrack.structures import Target


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build("dimp18").eval()


@pytest.fixture(scope="module")
def video():
    """Noise that stands still."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    return [cv2.GaussianBlur(noise, (0, 0), 2)] * 4


@pytest.fixture
def frames(tmp_path, video):
    """The video as a folder."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(video):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    return folder


@pytest.fixture(scope="module")
def words(model, tmp_path_factory):
    """The tracker, on the command line."""
    folder = tmp_path_factory.mktemp("tracker")
    torch.save(dict(state_dict=model.state_dict()), folder / "dimp18.pth")
    config = folder / "small.json"
    config.write_text(json.dumps({"_base_": str(ROOT / "configs/sot/dimp18.py"), "online": OPEN}))
    return ["--config", str(config), "--checkpoint", str(folder / "dimp18.pth"), "--device", "cpu"]


def test_words_name_frames_and_objects():
    said = parse_boxes(["1,2,3,4", "0=5,6,7,8@9", "2.5,0,1,1@3", "1=1,1,2,2@4"])
    assert said.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14], [2.5, 0, 3.5, 1], [1, 1, 3, 3]]
    assert said.box_frames.tolist() == [0, 9, 3, 4]
    assert said.box_ids.tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("1,2,3", "expected numbers x,y,w,h"),
        ("1,2,nan,4", "expected numbers x,y,w,h"),
        ("1,2,inf,4", "expected numbers x,y,w,h"),
        ("a=1,2,3,4", "an object \\(2=x,y,w,h@120\\)"),
        ("1,2,3,4@-1", "expected numbers x,y,w,h"),
        ("10,20,0,5", "its width and height must be above 0"),
        ("10,20,30,-5", "its width and height must be above 0"),
        ("500,20,30,30", "lies outside of frames of 160x120"),
        ("10,20,30,30@4", "A box of frame 4 comes after .* its 4 frames count from 0"),
    ],
)
def test_bad_boxes_end_the_command(frames, words, word, message, tmp_path, capsys):
    out = tmp_path / "tracks.json"
    assert main(["track", str(frames), *words, f"--box={word}", "--json", str(out)]) == 2

    assert re.search(message, capsys.readouterr().err)
    assert not out.exists()


def test_two_boxes_of_an_object_in_a_frame_are_refused():
    with pytest.raises(InputError, match="Object 1 has two boxes in frame 3"):
        parse_boxes(["1=1,2,3,4@3", "1=5,2,3,4@3"])
    with pytest.raises(InputError, match="box_frames must be whole numbers from 0 on"):
        Target(boxes=BOXES, box_frames=[0, -1])
    with pytest.raises(InputError, match="box_ids must be whole numbers .* one for each box"):
        Target(boxes=BOXES, box_ids=[0])


def test_objects_begin_later_and_anew(model, video):
    tracker = DiMPTracker(model, **OPEN)
    boxes = [*BOXES, [20, 70, 60, 100]]
    target = Target(boxes=boxes, box_frames=[0, 2, 3], box_ids=[4, 1, 4])
    tracker.start(video[0], target)
    tracks = [tracker.step(frame) for frame in video]
    assert [found.track_ids.tolist() for found in tracks] == [[4], [4], [1, 4], [1, 4]]
    np.testing.assert_allclose(tracks[2].bboxes[0], boxes[1], atol=1e-4)
    np.testing.assert_allclose(tracks[3].bboxes[1], boxes[2], atol=1e-4)
    assert tracks[3].scores[1] == 1 and tracker.followed[4].age == 0
    assert tracker.add(BOXES[:1]) == [5]


def test_words_reach_the_tracker(frames, words, tmp_path):
    out = tmp_path / "tracks.json"
    said = ["--box", "40,30,30,30", "--box", "20,70,40,30@1", "--box", "0=90,50,40,26@3"]
    assert main(["track", str(frames), *words, *said, "--json", str(out)]) == 0
    found = [record["tracks"] for record in json.loads(out.read_text())["frames"]]
    ids = [[track["track_id"] for track in tracks] for tracks in found]
    assert ids == [[1], [1, 2], [1, 2], [0, 1, 2]]
    np.testing.assert_allclose(found[3][0]["bbox"], [90, 50, 130, 76], atol=0.1)
    np.testing.assert_allclose(found[1][1]["bbox"], [20, 70, 60, 100], atol=0.1)


def test_a_first_frame_that_cannot_be_read(frames, words, tmp_path, capsys):
    (frames / "0.png").write_bytes(b"not a picture")
    out = tmp_path / "tracks.json"
    said = ["--box", "40,30,30,30", "--json", str(out)]
    assert main(["track", str(frames), *words, *said]) == 2
    assert "0.png" in capsys.readouterr().err and not out.exists()


def test_frames_of_another_size(frames, words, tmp_path, capsys):
    cv2.imwrite(str(frames / "2.png"), np.zeros((60, 80, 3), np.uint8))
    out = tmp_path / "tracks.json"
    said = ["--box", "40,30,30,30", "--json", str(out)]
    assert main(["track", str(frames), *words, *said]) == 2
    assert "80x60" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["frames"]) == 2, "what was done is kept"


def test_a_target_that_leaves_for_good(model, video):
    """Its score says so; its box stays where it was, and nothing is learned from other things."""
    sure = dict(localization=dict(not_found=0.65), learning=dict(first_steps=40, memory=5))
    tracker = DiMPTracker(model, **OPEN | sure)
    tracker.start(video[0], Target(boxes=[[61, 40, 91, 70]]))
    tracker.step(video[0])
    seen = tracker.step(video[1])
    assert seen.scores[0] > tracker.draw_threshold
    count = tracker.followed[0].filter.memory.count
    for _ in range(30):
        tracks = tracker.step(np.full_like(video[0], 127))
        assert 0 <= tracks.scores[0] < tracker.draw_threshold
        np.testing.assert_array_equal(tracks.bboxes, seen.bboxes)
    assert tracker.followed[0].filter.memory.count == count


@pytest.mark.parametrize("box", [[80, 60, 81, 61], [159.5, 119.5, 160, 120], [0, 0, 1e-3, 1e-3]])
def test_targets_of_a_pixel(model, video, box):
    tracker = DiMPTracker(model, **OPEN)
    tracker.start(video[0], Target(boxes=[box]))
    for frame in video:
        tracks = tracker.step(frame)
        assert np.isfinite(tracks.bboxes).all() and np.isfinite(tracks.scores).all()
        assert (tracks.bboxes[:, 2:] > tracks.bboxes[:, :2]).all()


def test_a_table_has_the_scores_of_lost_objects_too(frames, words, tmp_path):
    table, out = tmp_path / "scores.csv", tmp_path / "tracks.json"
    said = ["--box", "40,30,30,30", "--box", "20,70,40,30@1", "--score-thr", "0.99"]
    assert main(["track", str(frames), *words, *said, "--csv", str(table), "--json", str(out)]) == 0
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["track"]) for row in rows] == [
        ("0", "0"), ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1"), ("3", "0"), ("3", "1"),
    ]  # fmt: skip
    assert [float(rows[0][name]) for name in ("x", "y", "width", "height")] == [40, 30, 30, 30]
    assert [row["shown"] for row in rows] == ["1", "0", "1", "0", "0", "0", "0"]
    assert all(0 <= float(row["score"]) < 0.99 for row in rows if row["shown"] == "0")
    found = [record["tracks"] for record in json.loads(out.read_text())["frames"]]
    assert [len(tracks) for tracks in found] == [1, 1, 0, 0]


def drawing(monkeypatch, *drawn):
    """A display on which a user draws; the pictures that are shown."""
    shown, left = [], list(drawn)

    def select(windowName, img, showCrosshair=True, fromCenter=False):  # noqa: N803  OpenCV's
        shown.append(img)
        return left.pop(0)

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "selectROI", select)
    monkeypatch.setattr(cv2, "destroyWindow", lambda winname: None)
    return shown


def test_boxes_are_drawn_in_the_first_frame(frames, words, tmp_path, monkeypatch):
    shown = drawing(monkeypatch, (40, 30, 30, 20), (20, 70, 40, 30))
    out = tmp_path / "tracks.json"
    said = ["--box", "draw", "--box", "0=draw", "--box", "90,50,40,26@1"]
    assert main(["track", str(frames), *words, *said, "--json", str(out)]) == 0
    np.testing.assert_array_equal(shown, [cv2.imread(str(frames / "0.png"))] * 2)
    found = [record["tracks"] for record in json.loads(out.read_text())["frames"]]
    assert [[track["track_id"] for track in tracks] for tracks in found[:2]] == [[0, 1], [0, 1, 2]]
    boxes = [track["bbox"] for track in found[0]]
    np.testing.assert_allclose(boxes, [[20, 70, 60, 100], [40, 30, 70, 50]], atol=0.1)


def test_without_a_display_nothing_is_drawn(frames, words, tmp_path, monkeypatch, capsys):
    command = ["track", str(frames), *words, "--box=draw", "--json", str(tmp_path / "o.json")]
    drawing(monkeypatch, (0, 0, 0, 0))
    assert main(command) == 2
    assert "No box was drawn: drag the mouse and press Enter" in capsys.readouterr().err
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(command) == 2
    assert "here is no display" in capsys.readouterr().err
    assert not (tmp_path / "o.json").exists()
