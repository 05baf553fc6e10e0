"""``vovtrack synth --photos``: sets of moving photographs, and what it says to bad input."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from vovtrack.cli.main import main
from vovtrack.formats.tapvid import read_truth
from vovtrack.synthetic.moving_photographs import MovingPhotographs
from vovtrack.synthetic.photographs import photograph

SHORT = ["--videos", "2", "--frames", "8", "--workers", "1"]


@pytest.fixture
def folder(tmp_path):
    """Photographs of one's own, one of them grey."""
    place = tmp_path / "mine"
    place.mkdir()
    for name in ("coffee", "chelsea", "gravel"):
        Image.fromarray(photograph(name)).save(place / f"{name}.png")
    Image.fromarray(photograph("brick")[..., 0]).save(place / "wall.jpg")
    return place


def synth(*words, out) -> int:
    return main(["synth", *map(str, words), "--out", str(out)])


def contents(root) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_points_of_a_written_set_keep_their_colour(tmp_path, capsys):
    assert synth("--sample", *SHORT, out=tmp_path / "set") == 0
    assert "coffee, coins, flower, gravel" in capsys.readouterr().out
    truths = read_truth(tmp_path / "set/tapvid.pkl")
    videos = pickle.loads((tmp_path / "set/tapvid.pkl").read_bytes())
    assert list(truths) == list(videos) == ["photos-0001", "photos-0002"]
    for video in videos.values():
        frames, points, hidden = video["video"], video["points"], video["occluded"]
        assert frames.shape == (8, 192, 256, 3) and not hidden.all()
        both = ~hidden[:, 0] & ~hidden[:, 7]

        def colours(t: int, frames=frames, points=points) -> np.ndarray:
            at = (points[:, t] * (256, 192) - 0.5).astype(np.float32)
            smooth = cv2.GaussianBlur(frames[t].astype(np.float32), (0, 0), 1.5)
            return cv2.remap(smooth, at[:, :1], at[:, 1:], cv2.INTER_LINEAR)[:, 0]

        first, last = colours(0)[both], colours(7)[both]
        assert np.corrcoef(first.ravel(), last.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("format", ["mot", "movi", "otb", "got10k", "bdd100k"])
def test_every_format_takes_them(tmp_path, folder, format):
    words = ["--photos", folder, "--format", format, "--seed", "7", *SHORT]
    assert synth(*words, out=tmp_path / "one") == 0
    assert synth(*words, out=tmp_path / "two") == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    sheet = cv2.imread(str(tmp_path / "one/contact_sheet.png"))
    assert sheet.shape[1] > 1000 and sheet.std() > 20


def test_an_interrupted_set_is_resumed(tmp_path, folder, monkeypatch, capsys):
    words = ["--photos", folder, "--format", "mot", *SHORT]
    assert synth(*words, out=tmp_path / "whole") == 0
    rendered = []
    render = MovingPhotographs.render

    def stops(self, frame):
        rendered.append(frame)
        if len(rendered) == 12:
            raise KeyboardInterrupt
        return render(self, frame)

    monkeypatch.setattr(MovingPhotographs, "render", stops)
    assert synth(*words, out=tmp_path / "out") == 130
    assert "the same command resumes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    rendered[:] = range(100)
    assert synth(*words, out=tmp_path / "out") == 0
    assert len(rendered) < 100 + 2 * 8 + 8  # one video, and the frames of the contact sheet
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_photographs_that_change_begin_another_set(tmp_path, folder, monkeypatch, capsys):
    def stops(self, frame):
        raise KeyboardInterrupt

    words = ["--photos", folder, *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr(MovingPhotographs, "render", stops)
        assert synth(*words, out=tmp_path / "out") == 130
    Image.fromarray(photograph("china")).save(folder / "more.png")
    assert synth(*words, out=tmp_path / "out") == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--photos", "no/such"], "'no/such' is not a folder"),
        (["--photos", "EMPTY"], "holds no photographs"),
        (["--photos", "BROKEN"], "torn.jpg' cannot be read or is cut short"),
        (["--sample", "--seed", "-1"], "-1"),
        (["--sample", "--videos", "0"], "number of videos is 0"),
        (["--sample", "--frames", "0"], "number of frames is 0"),
        (["--sample", "--width", "9"], "number of width is 9"),
        (["--sample", "--format", "motx"], "one of mot, bdd100k, tapvid"),
        (["--sample", "--workers", "0"], "1 or more"),
        (["--sample", "--held-out", "1"], "no split"),
        (["--sample", "--size", "tiny"], "--size is that of a world"),
        (["--sample", "--dial", "clutter=2"], "'clutter' turns nothing in moving photographs"),
        (["--sample", "--dial", "blurr=2"], "'blurr' is not a dial"),
        (["--boxes-only", "--dial", "blur=2"], "--boxes-only renders nothing"),
    ],
)
def test_bad_input_is_answered_by_a_sentence(tmp_path, capsys, words, message):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN/torn.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    words = [str(tmp_path / word) if word.isupper() else word for word in words]
    assert synth(*words, out=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()
