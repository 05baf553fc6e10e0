"""Trackers that give their tracks late, through the same files as those that do not."""

from __future__ import annotations

import json
import os
import signal
from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.engine.drive import OwedFrames, track_frames
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.track_files import Outputs
from vovtrack.engine.track_video import track_video
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks
from vovtrack.visualization import VideoWriter


class BrightestSpot(OnlineTracker):
    """Boxes the brightest pixel of each half of a frame; its class is the brighter colour."""

    names = ("red", "green", "blue")

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Follows what is bright."""
        (target or Target()).only("This tracker")
        self.frame_id = -1

    def step(self, frame: np.ndarray) -> Tracks:
        """Look into both halves."""
        self.frame_id += 1
        half = frame.shape[1] // 2
        spots = []
        for left in (0, half):
            part = frame[:, left : left + half].astype(int)
            y, x = np.unravel_index(part.sum(axis=2).argmax(), part.shape[:2])
            spots.append((left + x, y, part[y, x].argmax(), part[y, x].sum() / 766))
        x, y, labels, scores = np.array(spots, dtype=np.float32).T
        boxes = np.column_stack([x, y, x + 9, y + 9])
        return Tracks(self.frame_id, boxes, np.arange(2), labels.astype(int), scores, self.names)


class Late(BrightestSpot):
    """The same some frames later."""

    def __init__(self, delay: int) -> None:
        self.delay = delay

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Owe nothing yet."""
        super().start(frame, target)
        self.owed: deque[Tracks] = deque()

    def step(self, frame: np.ndarray) -> Tracks | None:
        """The tracks of the frame that came ``delay`` frames before."""
        self.owed.append(super().step(frame))
        return self.owed.popleft() if len(self.owed) > self.delay else None

    def finish(self) -> Iterator[Tracks]:
        """The rest."""
        while self.owed:
            yield self.owed.popleft()


class Offline(BrightestSpot):
    """The same once all frames were seen."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.interrupted_at = interrupted_at

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Remember nothing."""
        super().start(frame, target)
        self.frames: list[np.ndarray] = []

    def step(self, frame: np.ndarray) -> None:
        """Remember."""
        self.frames.append(frame)
        if len(self.frames) == self.interrupted_at:
            os.kill(os.getpid(), signal.SIGINT)

    def finish(self) -> Iterator[Tracks]:
        """Look at all frames."""
        return map(super().step, self.frames)


@pytest.fixture(autouse=True, scope="module")
def registered():
    parts = [BrightestSpot, Late, Offline, StillTargets]
    for part in parts:
        TASK_UTILS.register_module(module=part)
    yield
    for part in parts:
        TASK_UTILS.module_dict.pop(part.__name__)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten frames, of which the fourth cannot be read."""
    folder = tmp_path_factory.mktemp("clip")
    pixels = np.random.default_rng(0).integers(0, 255, (10, 48, 64, 3), np.uint8)
    for number, frame in enumerate(pixels):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    (folder / "3.png").write_bytes(b"not an image")
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """The frames, with their seconds, that videos are written of: what the coder does to them is
    not always the same to the last bit."""
    given, write = [], VideoWriter.write

    def record(self, frame, time=None):
        given.append((frame.tobytes(), time))
        write(self, frame, time)

    monkeypatch.setattr(VideoWriter, "write", record)
    return given


def config(folder, **online) -> str:
    path = folder / f"{online['type']}.py"
    path.write_text(f"online = {online!r}")
    return str(path)


def files(folder) -> Outputs:
    folder.mkdir()
    return Outputs(*(str(folder / name) for name in ("o.mp4", "o.json", "o.txt")))


def run(folder, clip, online: dict, **options):
    options = dict(on_bad_frame="skip", device="cpu", trust_config=True) | options
    outputs = files(folder)
    return track_video(clip, config(folder, **online), outputs=outputs, **options)


@pytest.mark.parametrize("held_bytes", [1 << 20, 3 * 64 * 48 * 2, 0])
@pytest.mark.parametrize(
    "late", [dict(type="Late", delay=1), dict(type="Late", delay=4), dict(type="Offline")]
)
def test_late_tracks_make_the_same_files(clip, tmp_path, drawn, late, held_bytes):
    """With all frames in memory, with some, and with none: those are read a second time."""
    expected = run(tmp_path / "now", clip, dict(type="BrightestSpot"))
    shown = drawn.copy()
    found = run(tmp_path / "late", clip, late, held_bytes=held_bytes, batch_size=2)
    assert found.num_frames == expected.num_frames == 9 and found.num_tracks == 2
    assert len(found.bad_frames) == 1
    for name in ("o.json", "o.txt"):
        content = (tmp_path / "late" / name).read_bytes()
        assert content == (tmp_path / "now" / name).read_bytes() and len(content) > 400, name
    assert len(shown) == 9 and drawn[9:] == shown
    assert len(list(read_video(tmp_path / "late" / "o.mp4"))) == 9


def test_the_command_drives_an_offline_tracker(clip, tmp_path, capsys):
    words = ["--config", config(tmp_path, type="Offline"), "--trust-config", "--device", "cpu"]
    words += ["--on-bad-frame", "skip", "--json", str(tmp_path / "o.json")]
    assert main(["track", str(clip), *words]) == 0
    assert "9 frames, 2 tracks" in capsys.readouterr().out
    assert main(["track", str(clip), *words, "--classes", "cat"]) == 2
    assert "chooses its objects itself; it cannot use classes" in capsys.readouterr().err


def test_what_is_owed_at_an_unreadable_frame_is_kept(clip, tmp_path):
    with pytest.raises(InputError, match=r"3\.png .*The 3 frames before it are kept"):
        run(tmp_path / "o", clip, dict(type="Late", delay=2), on_bad_frame="error")
    content = json.loads((tmp_path / "o" / "o.json").read_text())
    assert content["num_frames"] == 3 and content["complete"] is False
    assert len(list(read_video(tmp_path / "o" / "o.mp4"))) == 3


def test_what_is_owed_at_an_interruption_is_kept(clip, tmp_path):
    summary = run(tmp_path / "o", clip, dict(type="Offline", interrupted_at=5), held_bytes=0)
    assert summary.interrupted == signal.SIGINT and summary.num_frames == 5
    content = json.loads((tmp_path / "o" / "o.json").read_text())
    assert content["complete"] is False and len(content["frames"]) == 5


def test_a_source_that_runs_once_is_drawn_as_far_as_memory_reaches(tmp_path):
    """A camera, too, cannot be read a second time; without a drawn video nothing needs to wait."""
    pixels = np.random.default_rng(0).integers(0, 255, (8, 48, 64, 3), np.uint8)
    room = dict(held_bytes=5 * pixels[0].nbytes)
    with pytest.raises(InputError, match="more than 5 frames late, and arrays cannot be read a"):
        run(tmp_path / "o", iter(pixels), dict(type="Offline"), **room)
    assert json.loads((tmp_path / "o" / "o.json").read_text())["num_frames"] == 5
    assert run(tmp_path / "p", iter(pixels), dict(type="Late", delay=4), **room).num_frames == 8
    path = config(tmp_path, type="Offline")
    outputs = Outputs(mot=str(tmp_path / "o.txt"))
    found = track_video(iter(pixels), path, outputs=outputs, trust_config=True, held_bytes=0)
    assert found.num_frames == 8


class StillTargets(OnlineTracker):
    """Says that what it is given to follow does not move."""

    names = ("target",)

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Take boxes, and points as boxes without extent."""
        target = (target or Target()).only("This tracker", "boxes", "points")
        points = np.zeros((0, 4)) if target.points is None else target.points[:, [1, 2, 1, 2]]
        boxes = np.zeros((0, 4)) if target.boxes is None else target.boxes
        self.boxes, self.frame_id = np.concatenate([boxes, points]), -1

    def step(self, frame: np.ndarray) -> Tracks:
        """The same again."""
        self.frame_id += 1
        ids = np.arange(len(self.boxes))
        scores = np.ones(len(ids), np.float32)
        return Tracks(self.frame_id, self.boxes, ids, np.zeros_like(ids), scores, self.names)


def test_boxes_and_points_are_said_on_the_command_line(clip, tmp_path, capsys):
    words = ["--config", config(tmp_path, type="StillTargets"), "--trust-config"]
    words += ["--on-bad-frame", "skip", "--max-frames", "1", "--mot", str(tmp_path / "o.txt")]
    words += ["--out", str(tmp_path / "o.mp4"), "--device", "cpu"]
    target = ["--box", "1,2,3,4", "--box", "5,5,10,10.5", "--points", "7,8", "2,9,10"]
    assert main(["track", str(clip), *words, *target]) == 0
    rows = [line.split(",")[2:6] for line in (tmp_path / "o.txt").read_text().splitlines()]
    assert [[float(cell) for cell in row] for row in rows] == [
        [1, 2, 3, 4],
        [5, 5, 10, 10.5],
        [7, 8, 0, 0],
        [9, 10, 0, 0],
    ]
    for wrong, message in (
        (["--box", "1,2,3"], "--box is '1,2,3', expected numbers x,y,w,h"),
        (["--box", "1,2,0,4"], "its width and height must be above 0"),
        (["--box", "64,2,3,4"], "lies outside of frames of 64x48"),
        (["--points", "1,a"], "--points is '1,a', expected [NAME=]X,Y or"),
        (["--points", "0.5,1,1"], "whole numbers"),
        (["--classes", "a", "--box", "1,2,3,4"], "follows boxes or points; it cannot use classes"),
        (["--tracker", "iou"], "has no model.tracker that 'iou' could replace"),
    ):
        assert main(["track", str(clip), *words, *wrong]) == 2
        assert message in capsys.readouterr().err


class Forgetful(Late):
    """Gives nothing at the end."""

    def finish(self) -> tuple[()]:
        """Too little."""
        return ()


class Talkative(BrightestSpot):
    """Gives a frame that there is not."""

    def finish(self) -> list[Tracks]:
        """Too much."""
        return [self.step(np.zeros((8, 8, 3), np.uint8))]


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        (Forgetful(delay=1), "Forgetful owes the tracks of 1 frames"),
        (Talkative(), "Talkative gave the tracks of frame 2; none are owed"),
    ],
)
def test_a_tracker_that_breaks_its_contract_is_named(tracker, message):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    tracker.start(pixels[0])
    owed = OwedFrames(read_video(pixels), drawn=False)
    batches = iter([[(frame, None) for frame in pixels]])
    with pytest.raises(ValueError, match=message):
        list(track_frames(tracker, batches, owed))
