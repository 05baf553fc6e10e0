"""``vovtrack track`` of points as a user types it."""

from __future__ import annotations

import csv
import json
import pickle

import cv2
import numpy as np
import pytest

from tests.vovtrack.engine.test_points import moving
from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.engine.point_queries import MAX_POINTS, choose_points
from vovtrack.engine.track_files import Outputs
from vovtrack.engine.track_video import track_video
from vovtrack.formats.labelme import write_points
from vovtrack.formats.point_json import read_point_results
from vovtrack.formats.tapvid_videos import open_videos

STEP, FRAMES, SIZE = (2, 1), 8, 96
KINDS = dict(out="o.mp4", json="o.json", csv="o.csv", npz="o.npz", tapvid="o.pkl", mot="o.txt")


@pytest.fixture
def frames(tmp_path):
    """A folder of frames in which everything moves by ``STEP``."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(moving(FRAMES, SIZE, STEP)):
        cv2.imwrite(str(folder / f"{number}.png"), frame[..., ::-1])
    return folder


def track(source, *words) -> int:
    return main(["track", str(source), *map(str, words)])


def all_kinds(folder) -> list[str]:
    return [word for kind, name in KINDS.items() for word in (f"--{kind}", str(folder / name))]


def wanted(x, y, first=0):
    return np.array([np.add((x, y), np.multiply(STEP, t - first)) for t in range(first, FRAMES)])


def test_every_file_holds_the_same_points(frames, tmp_path, capsys):
    words = ["--points", "30,40.5; cup=52,20@3", *all_kinds(tmp_path)]
    assert track(frames, *words) == 0
    assert "8 frames, 2 tracks" in capsys.readouterr().out
    arrays = np.load(tmp_path / "o.npz")
    points, visible = arrays["points"], arrays["visible"]
    assert points.shape == (2, FRAMES, 2) and points.dtype == np.float32
    assert visible.shape == (2, FRAMES) and visible.dtype == bool
    assert arrays["queries"].tolist() == [[0, 30, 40.5], [3, 52, 20]]
    assert arrays["names"].tolist() == ["0", "cup"]
    assert points[0] == pytest.approx(wanted(30, 40.5), abs=0.1)
    assert points[1, 3:] == pytest.approx(wanted(52, 20, first=3), abs=0.1)
    assert visible[0].all() and visible[1].tolist() == [False] * 3 + [True] * 5
    assert (points[1, :3] == (52, 20)).all()

    results = read_point_results(tmp_path / "o.json")
    assert results.names == ("0", "cup") and results.facts["complete"] is True
    assert results.facts["queries"] == [[0, 30, 40.5], [3, 52, 20]]
    keypoints = results.keypoints(FRAMES)
    assert keypoints[:, 0, :2] == pytest.approx(points[0], abs=1e-3)
    assert (keypoints[:3, 1] == (-1, -1, 0)).all() and (keypoints[3:, 1, 2] == 1).all()

    with open(tmp_path / "o.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES + 5 and {row["name"] for row in rows} == {"0", "cup"}
    own = [[float(row["x"]), float(row["y"])] for row in rows if row["id"] == "1"]
    assert np.array(own) == pytest.approx(points[1, 3:], abs=1e-3)

    content = pickle.loads((tmp_path / "o.pkl").read_bytes())["frames"]
    pixels = moving(FRAMES, SIZE, STEP)
    assert np.array_equal(content["video"], pixels)
    assert content["points"] * SIZE == pytest.approx(points, abs=1e-4)
    assert np.array_equal(content["occluded"], ~visible)
    (video,) = open_videos(tmp_path / "o.pkl")
    assert np.array_equal(np.stack(list(video.frames())), pixels)
    drawn = list(read_video(tmp_path / "o.mp4"))
    assert len(drawn) == FRAMES
    x, y = points[0, 4].astype(int)
    assert np.abs(drawn[4].astype(int) - pixels[4]).sum(axis=2)[y - 3 : y + 4, x - 3 : x + 4].any()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["frames", *KINDS.values()])


def test_a_grid_lies_over_the_frame(frames, tmp_path):
    assert track(frames, "--grid", 3, "--npz", tmp_path / "o.npz") == 0
    queries = np.load(tmp_path / "o.npz")["queries"]
    assert queries.tolist() == [[0, x, y] for y in (16, 48, 80) for x in (16, 48, 80)]


@pytest.mark.parametrize("kind", ["json", "csv", "header", "npz", "own"])
def test_points_from_files_keep_their_names(frames, tmp_path, kind):
    path = tmp_path / f"points.{dict(header='csv', own='npz').get(kind, kind)}"
    places, names = np.array([[30, 40], [50, 60.5]]), ["cup", "lid"]
    if kind == "json":
        write_points(path, "0.png", SIZE, SIZE, names, places)
    elif kind == "csv":
        path.write_text("30,40\n50,60.5\n")
        names = ["0", "1"]
    elif kind == "header":
        path.write_text("name,frame,x,y\ncup,0,30,40\nlid,2,50,60.5\n")
    elif kind == "npz":
        np.savez(path, points=places, names=names)
    else:
        words = ["--points", "cup=30,40", "lid=50,60.5@2", "--npz", path]
        assert track(frames, *words) == 0
    assert track(frames, "--points-from", path, "--json", tmp_path / "o.json") == 0
    content = json.loads((tmp_path / "o.json").read_text())
    late = 2 if kind in ("header", "own") else 0
    assert content["queries"] == [[0, 30, 40], [late, 50, 60.5]]
    assert content["names"] == names


def test_words_grid_and_file_add_up(frames, tmp_path):
    (tmp_path / "p.csv").write_text("name,x,y\ncup,5,6\n")
    words = ("--points", "1,2", "--grid", 1, "--points-from", tmp_path / "p.csv")
    assert track(frames, *words, "--json", tmp_path / "o.json") == 0
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["queries"] == [[0, 1, 2], [0, 5, 6], [0, 48, 48]]
    assert content["names"] == ["0", "cup", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--points", "96,10"], "point (frame, x, y) 0, 96, 10 lies outside of frames of 96x96"),
        (["--points", "1,-10"], "lies outside of frames of 96x96"),
        (["--points", "nan,10"], "is not finite"),
        (["--points", "inf,10@2"], "is not finite"),
        (["--points", ""], "There is no point to follow"),
        (["--points", "; ;"], "There is no point to follow"),
        (["--points", "1"], "--points is '1', expected [NAME=]X,Y or [NAME=]X,Y@FRAME"),
        (["--points", "1,2,3@4"], "--points is '1,2,3@4', expected"),
        (["--points", "1,2@x"], "--points is '1,2@x', expected"),
        (["--points", "1,2@1.5"], "must be whole numbers"),
        (["--points", "1,2@8"], "The point 1,2@8 begins after"),
        (["--points", "1,2@-1"], "must be whole numbers from 0 on"),
        (["--grid", "0"], "--grid is 0"),
        (["--grid", "317"], f"100,489 points were asked for; at most {MAX_POINTS:,}"),
        (["--points-from", "no.csv"], "no.csv"),
        (["--points-from", "a.txt"], "points are read from .json, .csv, .npz files"),
        (["--points-from", "empty.csv"], "empty.csv: holds no points"),
        (["--points-from", "words.csv"], "words.csv: point 2 is 'a,4', expected x,y"),
        (["--points-from", "header.csv"], "the header must name 'x' and 'y'"),
        (["--points-from", "bad.npz"], "expected an array 'queries' (N, 3)"),
        (["--points-from", "names.npz"], "'names' must be 2 texts"),
        (["--points-from", "polygon.json"], "holds no points but 1 polygon"),
        (["--points-from", "outside.npz"], "lies outside of frames of 96x96"),
        (["--points-from", "nan.npz"], "is not finite"),
        (["--points", "1,2", "--checkpoint", "w.pth"], "'lucas-kanade' has no weights"),
        (["--points", "1,2", "--classes", "cat"], "follows points; it cannot use classes"),
        (["--points", "1,2", "--json", "p.csv", "--points-from", "p.csv"], "is also the file of"),
    ],
)
def test_mistakes_are_sentences_and_nothing_is_written(
    frames, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("1,2\n")
    (tmp_path / "empty.csv").write_text("x,y\n")
    (tmp_path / "words.csv").write_text("1,2\na,4\n")
    (tmp_path / "header.csv").write_text("u,v\n1,2\n")
    np.savez(tmp_path / "bad.npz", queries=np.zeros((2, 5)))
    np.savez(tmp_path / "names.npz", queries=np.zeros((2, 3)), names=np.array(["a"]))
    np.savez(tmp_path / "outside.npz", queries=np.full((2, 3), 96.0) * [0, 1, 1])
    np.savez(tmp_path / "nan.npz", points=np.full((2, 2), np.nan))
    shape = dict(label="a", shape_type="polygon", points=[[1, 2], [3, 4], [5, 6]])
    size = dict(imageWidth=SIZE, imageHeight=SIZE)
    (tmp_path / "polygon.json").write_text(json.dumps(dict(shapes=[shape], **size)))
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    others = [w for kind, name in KINDS.items() if kind != "json" for w in (f"--{kind}", name)]
    wanted_json = [] if "--json" in words else ["--json", "o.json"]
    assert track(frames, *words, *others, *wanted_json) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_files_of_points_need_points(frames, tmp_path, capsys):
    words = ["--tracker", "iou", "--npz", tmp_path / "o.npz", "--device", "cpu"]
    assert track(frames, *words) == 2
    assert "A npz file holds points: name some to follow" in capsys.readouterr().err
    assert not (tmp_path / "o.npz").exists()


def test_frames_of_another_size_end_the_run_and_keep_what_was_before(frames, tmp_path, capsys):
    cv2.imwrite(str(frames / "5.png"), np.zeros((50, 60, 3), np.uint8))
    assert track(frames, "--points", "30,40", *all_kinds(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "is 60x50, the first is 96x96" in error and "The 5 frames before it are kept" in error
    content = json.loads((tmp_path / "o.json").read_text())
    assert content["complete"] is False and content["num_frames"] == 5
    assert np.load(tmp_path / "o.npz")["points"].shape == (1, 5, 2)
    assert pickle.loads((tmp_path / "o.pkl").read_bytes())["frames"]["video"].shape[0] == 5
    assert not list(tmp_path.glob("*.partial*"))


def test_a_frame_that_does_not_come_is_noted(frames, tmp_path, capsys):
    words = ["--points", "30,40", "20,20@6", "--max-frames", 4, "--json", tmp_path / "o.json"]
    assert track(frames, *words) == 0
    assert "1 points were not followed: frame 4 and later ones" in capsys.readouterr().out


def test_a_source_of_unknown_length_runs_once(tmp_path):
    """As a camera does."""
    points = choose_points(["30,40", "20,20@99"])
    outputs = Outputs(npz=str(tmp_path / "o.npz"), video=str(tmp_path / "o.mp4"))
    source = iter(moving(FRAMES, SIZE, STEP))
    found = track_video(source, "mini", points=points, outputs=outputs, tracker="lucas-kanade")
    assert found.num_frames == FRAMES and found.num_tracks == 1
    assert "1 points were not followed: frame 8 and later" in str(found)
    arrays = np.load(tmp_path / "o.npz")
    assert arrays["points"][0] == pytest.approx(wanted(30, 40), abs=0.1)
    assert not arrays["visible"][1].any() and (arrays["points"][1] == 20).all()


def test_real_videos_are_followed(realdata, tmp_path):
    source = realdata / "videos/track_on_sample.mp4"
    words = ("--grid", 4, "--max-frames", 6, "--npz", tmp_path / "o.npz")
    assert track(source, *words, "--out", tmp_path / "o.mp4") == 0
    arrays = np.load(tmp_path / "o.npz")
    assert arrays["points"].shape == (16, 6, 2) and arrays["visible"].mean() > 0.5
