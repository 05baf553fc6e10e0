"""From HDF5 recordings to copies with tracked points, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
import tracemalloc

import cv2
import numpy as np
import pytest

from tests.recordings import SHIFT, moving, write_stacked, write_steps
from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.engine.point_queries import choose_points
from vovtrack.engine.recordings.batch import Outcome
from vovtrack.engine.recordings.check import check_recordings
from vovtrack.engine.recordings.extract import extract_recordings
from vovtrack.engine.recordings.quality import Limits
from vovtrack.engine.recordings.track import PointTrackerChoice, track_recordings
from vovtrack.engine.recordings.write import write_recordings
from vovtrack.errors import InputError
from vovtrack.formats.labelme import read_points
from vovtrack.formats.point_json import NOWHERE, read_point_results, write_point_results
from vovtrack.formats.robot_h5 import read_keypoints

pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
FRAMES = moving(10, 96, 128)
START = np.float32([[80, 60], [100.5, 40.25], [60, 80]])
"""They stay in view."""
LEAVING = "4,90"
"""A point that leaves the view."""


@pytest.fixture
def places(tmp_path):
    """Recordings in both layouts, and a place for the rest."""
    (tmp_path / "in/more").mkdir(parents=True)
    write_stacked(tmp_path / "in/a.h5", {"left": FRAMES, "right": FRAMES[:, ::-1]}, fps=5.0)
    write_steps(tmp_path / "in/more/b.hdf5", [FRAMES])
    return tmp_path


@pytest.fixture
def tracker():
    return PointTrackerChoice("mini", tracker="lucas-kanade")


def robot(step, *words) -> int:
    return main(["robot", step, *map(str, words)])


def texts(points=START) -> list[str]:
    return [f"p{k}={x},{y}" for k, (x, y) in enumerate(points.tolist())]


def truth() -> np.ndarray:
    """(T, N, 2) where the points are, see :func:`tests.recordings.moving`."""
    return START - np.arange(len(FRAMES))[:, None, None] * np.float32(SHIFT)


def changed(folder) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_all_steps(places, capsys):
    """Points of both layouts end where the picture has moved to, and nothing else changes."""
    recordings, work, out = places / "in", places / "work", places / "out"
    before = {p: p.read_bytes() for p in recordings.rglob("*.h*5")}
    assert robot("extract", recordings, "--work", work) == 0
    assert robot("label", work) == 0
    assert "3 of 3 have no points" in capsys.readouterr().out
    assert robot("label", work, "--camera", "left", "--points", *texts()) == 0
    assert robot("label", work, "--camera", "camera_0", "--points-from", work / "a/left.json") == 0
    assert robot("track", recordings, "--work", work) == 0
    assert robot("check", recordings, "--work", work) == 0
    assert "a: accepted\nmore/b: accepted\n" in capsys.readouterr().out
    assert robot("write", recordings, "--work", work, "--out", out) == 0
    for name, camera, rate in (("a.h5", "left", 5.0), ("more/b.hdf5", "camera_0", None)):
        added = read_keypoints(out / name)
        assert list(added) == [camera]
        keypoints, facts = added[camera]
        assert keypoints.dtype == np.float32 and keypoints.shape == (len(FRAMES), 3, 3)
        np.testing.assert_allclose(keypoints[..., :2], truth(), atol=0.3)
        assert keypoints[..., 2].all()
        assert facts["names"].tolist() == ["p0", "p1", "p2"] and facts["model"] == "lucas-kanade"
        assert facts["image_size"].tolist() == [128, 96] and facts.get("fps") == rate
        sheet = cv2.imread(str(work / name.split(".")[0] / f"{camera}_sheet.png"))
        assert sheet.shape[1] == 1480
    assert before == {p: p.read_bytes() for p in recordings.rglob("*.h*5")}


def test_each_step_resumes(places, tracker, capsys):
    """Typed again, nothing is done again; with other points or weights, it is."""
    recordings, work, out = [places / "in"], places / "work", places / "out"
    points = choose_points(texts())

    def run(points) -> list[Outcome]:
        return [
            extract_recordings(recordings, work),
            track_recordings(recordings, work, tracker, chosen=points),
            write_recordings(recordings, work, out),
        ]

    assert [(len(o.done), len(o.kept)) for o in run(points)] == [(2, 0)] * 3
    written = changed(places)
    assert [(len(o.done), len(o.kept)) for o in run(points)] == [(0, 2)] * 3
    assert changed(places) == written
    (work / "more/b/camera_0_tracking_results.json").write_text('{"half":')
    assert [len(o.done) for o in run(points)] == [0, 1, 0]
    assert [len(o.done) for o in run(choose_points(texts(START + 1)))] == [0, 2, 2]
    (work / "a/left.png").unlink()
    assert [len(o.done) for o in run(choose_points(texts(START + 1)))] == [1, 0, 0]


@pytest.fixture
def hears_ctrl_c():
    """Where the tests run in the background, a shell made them deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interrupted_batch_resumes(tmp_path, capsys):
    """Ctrl-C after the first of many: what is finished is kept, and nothing is half written."""
    first = write_stacked(tmp_path / "00.h5", {"c": moving(40, 96, 128)})
    for number in range(1, 30):
        (tmp_path / f"{number:02}.h5").write_bytes(first.read_bytes())
    work = tmp_path / "work"

    ended = threading.Event()

    def interrupt() -> None:
        while not (work / "00/extracted.json").exists():
            time.sleep(0.001)
        while not ended.is_set():  # Python drops what arrives while it collects garbage
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(0.1)

    threading.Thread(target=interrupt, daemon=True).start()
    code = robot("extract", tmp_path, "--work", work)
    ended.set()
    assert code == 130
    assert "Finished recordings are kept" in capsys.readouterr().err
    finished = {path.parent.name for path in work.rglob("extracted.json")}
    assert 0 < len(finished) < 30
    before = {path: at for name in finished for path, at in changed(work / name).items()}
    assert robot("extract", tmp_path, "--work", work) == 0
    done = 30 - len(finished)
    assert f": {done}, {len(finished)} finished before" in capsys.readouterr().out
    assert before.items() <= changed(work).items()
    videos = [len(list(read_video(path))) for path in work.rglob("*.mp4")]
    assert videos == [40] * 30 and not list(work.rglob("*unfinished"))


def test_a_bad_recording_does_not_stop_the_others(places, tracker, capsys):
    content = (places / "in/a.h5").read_bytes()
    (places / "in/bad.h5").write_bytes(content[: len(content) // 2])
    words = [places / "in", "--work", places / "work"]
    assert robot("extract", *words) == 2
    told = capsys.readouterr()
    assert "recordings extracted into" in told.out and ": 2\n" in told.out
    assert told.err.count("\n") == 1 and "bad.h5' cannot be opened" in told.err
    assert not (places / "work/bad").exists()


def test_a_frame_that_fails_leaves_no_file(places, capsys):
    import h5py

    with h5py.File(places / "in/more/b.hdf5", "a") as file:
        del file["step_7/obs/image"]
    assert robot("extract", places / "in/more", "--work", places / "work") == 2
    assert "'step_7/obs/image' is missing" in capsys.readouterr().err
    assert [p for p in (places / "work").rglob("*") if p.is_file()] == []


def test_videos_are_exact_or_small(places):
    for lossless, suffix in ((False, "mp4"), (True, "mkv")):
        work = places / suffix
        extract_recordings([places / "in/a.h5"], work, lossless=lossless)
        video = read_video(work / f"a/left.{suffix}")
        error = np.abs(np.stack(list(video)).astype(int) - FRAMES).mean()
        assert video.fps == 5 and (error == 0 if lossless else 0 < error < 20)
        first = cv2.imread(str(work / "a/left.png"))[..., ::-1]
        np.testing.assert_array_equal(first, FRAMES[0])


def test_labels_are_never_changed(places, capsys):
    work = places / "work"
    extract_recordings([places / "in"], work)
    assert robot("label", work, "--camera", "left", "--points", "cup=1,2", "3,4") == 0
    before = (work / "a/left.json").read_bytes()
    assert robot("label", work, "--grid", 3) == 0
    assert (work / "a/left.json").read_bytes() == before
    assert read_points(work / "a/left.json", 128, 96).names == ("cup", "1")
    grid = read_points(work / "a/right.json", 128, 96).points
    assert grid[:2].ravel() == pytest.approx([128 / 6, 16, 64, 16]) and len(grid) == 9
    out = capsys.readouterr().out
    assert "left.png: 2 points: cup, 1\n" in out and "camera_0.png: 9 points" in out


def test_memory_holds_a_few_frames(tmp_path, tracker):
    """Of 300 frames."""
    write_steps(tmp_path / "a.h5", [moving(300, 96, 128)])
    for step in (
        lambda: extract_recordings([tmp_path / "a.h5"], tmp_path / "work"),
        lambda: track_recordings(
            [tmp_path / "a.h5"], tmp_path / "work", tracker, chosen=choose_points(grid=2)
        ),
    ):
        _ = tracker.online
        tracemalloc.start()
        assert step().problems == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 30 * FRAMES[0].nbytes


def judged(places, tracker, points, **options):
    """Track points of one camera and check; the row of each point, and why it is in doubt."""
    recordings, work = [places / "in/more/b.hdf5"], places / "work"
    if points:
        track_recordings(recordings, work, tracker, chosen=choose_points(points))
    outcome, doubts = check_recordings(recordings, work, tracker, **options)
    assert outcome.problems == []
    with open(work / "quality.csv") as file:
        return list(csv.DictReader(file)), doubts["b"]


def test_a_point_that_leaves_is_in_doubt(places, tracker):
    rows, doubts = judged(places, tracker, ["stays=80,60", f"leaves={LEAVING}"])
    assert [row["name"] for row in rows] == ["stays", "leaves"]
    assert float(rows[0]["visible"]) == 1 and float(rows[0]["backward"]) < 1
    assert float(rows[0]["jump"]) == pytest.approx(np.hypot(*SHIFT), abs=0.2)
    assert int(rows[1]["drops"]) == 1 and int(rows[1]["longest_hidden"]) >= 5
    assert len(doubts) == 1 and "point 1 (leaves) visible in" in doubts[0]


def test_a_point_that_jumped_or_was_lost_is_in_doubt(places, tracker):
    """Results in which a point changes to another one in the middle."""
    rows, doubts = judged(places, tracker, texts())
    assert doubts == []
    path = places / "work/b/camera_0_tracking_results.json"
    results = read_point_results(path)
    keypoints = results.keypoints(len(FRAMES))
    keypoints[5:, 0] = keypoints[5:, 2]
    write_point_results(path, results.names, keypoints, results.facts)
    rows, doubts = judged(places, tracker, None)
    assert rows[0]["jump_frame"] == "5" and float(rows[0]["backward"]) > 20
    assert [text.split(") ")[1].split()[0] for text in doubts] == ["jumps", "comes"]
    assert "point 0 (p0)" in doubts[0]
    wide = Limits(jump=1.0, backward=1.0)
    assert judged(places, tracker, None, limits=wide)[1] == []


def test_another_tracker_is_noted(places, tracker, capsys):
    """What follows points back should be what followed them; a check without it is faster."""
    seed_results(places, len(FRAMES))
    words = [places / "in/more", "--work", places / "work"]
    assert robot("check", *words) == 0
    assert "which is not what tracked it" in capsys.readouterr().out
    assert (places / "work/b/camera_0_backward.json").is_file()
    assert robot("check", *words, "--no-backward") == 0
    assert "note:" not in capsys.readouterr().out
    with open(places / "work/quality.csv") as file:
        assert {row["backward"] for row in csv.DictReader(file)} == {""}


def test_a_person_decides(places, tracker, capsys):
    """A decision counts more than the check, and stays when it runs again."""
    work, out = places / "work", places / "out"
    judged(places, tracker, [f"leaves={LEAVING}"])
    words = [places / "in/more/b.hdf5", "--work", work]
    assert robot("write", *words, "--out", out) == 0
    assert "'b' is not accepted and left out" in capsys.readouterr().out and not out.exists()
    path = work / "accepted.csv"
    path.write_text(path.read_text().replace("b,no,,", "b,no,yes,"))
    assert robot("check", *words) == 0
    assert "b,no,yes," in path.read_text()
    assert robot("write", *words, "--out", out) == 0 and (out / "b.hdf5").is_file()
    path.write_text(path.read_text().replace("b,no,yes,", "b,no,maybe,"))
    assert robot("write", *words, "--out", out) == 2
    assert "accepted.csv', line 2: expected" in capsys.readouterr().err


def seed_results(places, count: int, name="b") -> None:
    """Results as the robot scripts write them, beside the recording."""
    frames = [
        dict(frame_index=t, points=[dict(id=n, x=t, y=n, visible=True) for n in range(2)])
        for t in range(count)
    ]
    path = places / f"in/more/{name}_tracking_results.json"
    path.write_text(json.dumps(dict(frames=frames)))


@pytest.mark.parametrize("count", [8, 12])
def test_results_of_another_length(places, count, capsys):
    seed_results(places, count)
    words = [places / "in/more", "--work", places / "work", "--out", places / "out"]
    target = places / "out/b.hdf5"
    assert robot("write", *words) == 2
    assert f"has {count} frames" in capsys.readouterr().err and not target.exists()
    assert robot("write", *words, "--on-mismatch", "copy") == 0
    assert target.read_bytes() == (places / "in/more/b.hdf5").read_bytes()
    assert robot("write", *words, "--on-mismatch", "fit") == 0
    keypoints = read_keypoints(target)["camera_0"][0]
    assert keypoints.shape == (len(FRAMES), 2, 3)
    assert ((keypoints == NOWHERE).all(axis=(1, 2)) == (np.arange(len(FRAMES)) >= count)).all()
    capsys.readouterr()
    assert robot("check", *words[:3], "--no-backward") == 0
    assert f"b: camera_0: results of {count} frames for {len(FRAMES)}" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(places, capsys):
    seed_results(places, len(FRAMES))
    words = [places / "in/more", "--work", places / "work", "--out", places / "out"]
    before = changed(places)
    assert robot("write", *words, "--dry-run") == 0
    assert "would be written" in capsys.readouterr().out and changed(places) == before
    seed_results(places, 3)
    assert robot("write", *words, "--dry-run") == 2


def test_nothing_of_others_is_replaced(places, capsys):
    seed_results(places, len(FRAMES))
    words = [places / "in/more", "--work", places / "work"]
    before = (places / "in/more/b.hdf5").read_bytes()
    assert robot("write", *words, "--out", places / "in/more") == 2
    assert "choose another name" in capsys.readouterr().err
    assert (places / "in/more/b.hdf5").read_bytes() == before
    (places / "out").mkdir()
    write_steps(places / "out/b.hdf5", [FRAMES[:2]])
    assert robot("write", *words, "--out", places / "out") == 2
    assert "was not made from this recording" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["track", "IN", "--points", "128,5"], "lies outside of frames of 128x96 pixels"),
        (["track", "IN", "--points", "nan,5"], "is not finite"),
        (["track", "IN", "--points", "a,b"], "expected [NAME=]X,Y"),
        (["track", "IN", "--grid", "0"], "expected 1 to 1000 points"),
        (["track", "IN", "--grid", "1001"], "expected 1 to 1000 points"),
        (["track", "IN", "--grid", "900"], "at most 50,000 are followed"),
        (["track", "IN", "--points", "5,5@10"], "has the frames 0 to 9"),
        (["track", "IN"], "has no points to track"),
        (["track", "IN", "--camera", "top", "--grid", "2"], "has no camera 'top'"),
        (["track", "IN", "--points-from", "no.json"], "no.json: cannot read the file"),
        (["track", "nowhere.h5", "--grid", "2"], "There is no recording or folder"),
        (["track", "EMPTY", "--grid", "2"], "holds no recordings"),
        (["extract", "IN", "--fps", "0"], "--fps is 0"),
        (["extract", "IN", "--fps", "nan"], "--fps is nan"),
        (["check", "IN"], "has no tracked points"),
        (["write", "IN", "--out", "o"], "has no tracked points"),
    ],
)
def test_impossible_requests(words, told, places, capsys, monkeypatch):
    monkeypatch.chdir(places)
    (places / "empty").mkdir()
    given = {"IN": places / "in/a.h5", "EMPTY": places / "empty"}
    before = changed(places)
    assert robot(*(given.get(word, word) for word in words), "--work", "work") == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and changed(places) == before


def test_two_recordings_of_one_name(places):
    (places / "in/more/a.h5").write_bytes((places / "in/a.h5").read_bytes())
    with pytest.raises(InputError, match="would both be called 'a'"):
        extract_recordings([places / "in/a.h5", places / "in/more/a.h5"], places / "work")


def test_a_tracker_that_takes_no_points(places, capsys):
    words = [places / "in/a.h5", "--work", places / "work", "--config", "mini", "--grid", "2"]
    assert robot("track", *words, "--device", "cpu") == 2
    assert "cannot use points as its target" in capsys.readouterr().err
