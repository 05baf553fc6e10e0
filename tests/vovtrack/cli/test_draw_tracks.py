"""Stored tracks and their frames become a video, the same that tracking would have drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vovtrack.cli.main import main
from vovtrack.datasets.video import read_video
from vovtrack.files.images import read_image
from vovtrack.visualization import VideoWriter

CLASSES = ["red star", "blue circle"]


@pytest.fixture
def clip(tmp_path) -> Path:
    """Eight grey frames."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, fps=8) as writer:
        for _ in range(8):
            writer.write(np.full((96, 128, 3), 90, np.uint8))
    return path


def boxes(frame: int) -> list[tuple]:
    """Box, track, label and score of one frame: one object moves right, one stands from frame 4."""
    found = [((10.0 + 8 * frame, 30.0, 40.0 + 8 * frame, 60.0), 3, 1, 0.9)]
    return found + ([((90.0, 60.0, 120.0, 90.0), 7, 0, 0.4)] if frame >= 4 else [])


def own_json(path: Path, source: Path) -> Path:
    frames = [
        dict(frame_id=f, tracks=[
            {"track_id": i, "class": CLASSES[label], "score": s, "bbox": box}
            for box, i, label, s in boxes(f)])
        for f in range(8)
    ]  # fmt: skip
    path.write_text(json.dumps(dict(video=str(source), classes=CLASSES, frames=frames, tracks=[])))
    return path


def mot_text(path: Path) -> Path:
    rows = [
        f"{f + 1},{i},{x1},{y1},{x2 - x1},{y2 - y1},{s},{label + 1},-1,-1"
        for f in range(8)
        for (x1, y1, x2, y2), i, label, s in boxes(f)
    ]
    path.write_text("\n".join(rows))
    return path


def decoded(path: Path) -> np.ndarray:
    return np.stack(list(read_video(path))).astype(int)


def test_the_same_tracks_of_two_formats_are_the_same_video(clip, tmp_path, capsys):
    own, mot = own_json(tmp_path / "t.json", clip), mot_text(tmp_path / "t.txt")
    first, second = tmp_path / "own.mp4", tmp_path / "mot.mp4"
    assert main(["draw", "tracks", str(own), "--out", str(first)]) == 0
    words = ["--frames", str(clip), "--classes", ", ".join(CLASSES)]
    assert main(["draw", "tracks", str(mot), *words, "--out", str(second)]) == 0
    assert capsys.readouterr().out.count("8 frames, 2 tracks") == 2
    assert (decoded(first) == decoded(second)).all()
    changed = np.abs(decoded(first) - decoded(clip)).max(axis=3) > 40
    assert changed[0, 30:60, 10:40].any() and not changed[0, 60:, 90:].any()
    assert changed[6, 60:90, 90:120].any()
    assert read_video(first).fps == 8

    assert main(["draw", "tracks", str(own), "--score-thr", "0.5", "--out", str(second)]) == 0
    assert "1 tracks" in capsys.readouterr().out
    assert not (
        np.abs(decoded(second)[6, 64:86, 100:118] - decoded(clip)[6, 64:86, 100:118]) > 40
    ).any()


def test_tracks_of_a_tao_test_are_drawn_video_by_video(world, tmp_path, capsys):
    ann = world / "tao/annotations/validation.json"
    content = json.loads(ann.read_text())
    video = content["videos"][1]
    images = {image["id"]: image for image in content["images"]}
    rows = [
        dict(image_id=a["image_id"], category_id=a["category_id"], bbox=a["bbox"], score=0.5,
             track_id=a["track_id"], video_id=images[a["image_id"]]["video_id"])
        for a in content["annotations"]
    ]  # fmt: skip
    results = tmp_path / "tao_track.json"
    results.write_text(json.dumps(rows))
    own = {row["track_id"] for row in rows if row["video_id"] == video["id"]}
    frames = sum(image["video_id"] == video["id"] for image in images.values())
    words = [
        "draw",
        "tracks",
        str(results),
        "--gt",
        str(ann),
        "--frames",
        str(world / "tao/frames"),
    ]
    words += ["--fps", "1", "--out", str(tmp_path / "v.mp4")]
    assert main([*words, "--video", video["name"]]) == 0
    assert f"{frames} frames, {len(own)} tracks" in capsys.readouterr().out
    assert main([*words, "--video", "nothing"]) == 2
    assert f"--video must name one video of '{ann}'" in capsys.readouterr().err
    content["videos"].append(dict(video, id=10**6, name="empty"))
    ann = tmp_path / "with_empty.json"
    ann.write_text(json.dumps(content))
    words[words.index("--gt") + 1] = str(ann)
    assert main([*words, "--video", "empty"]) == 2
    assert "has no images of the video 1000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("write", "words", "message"),
    [
        (mot_text, [], "does not name its frames: give --frames"),
        (mot_text, ["--frames", "{clip}"], "name the classes by --classes"),
        (lambda path: path.write_text("[]") and path, [], "give --gt"),
    ],
)
def test_what_is_missing_is_named(write, words, message, clip, tmp_path, capsys):
    path = tmp_path / ("t.txt" if write is mot_text else "t.json")
    write(path)
    words = [word.format(clip=clip) for word in words]
    assert main(["draw", "tracks", str(path), *words, "--out", str(tmp_path / "v.mp4")]) == 2
    assert message in capsys.readouterr().err


def test_a_picture_shows_four_frames_large_enough_to_read(clip, tmp_path, capsys):
    own, out = own_json(tmp_path / "t.json", clip), tmp_path / "sheet.png"
    assert main(["draw", "tracks", str(own), "--out", str(out)]) == 0
    assert "4 frames, 2 tracks" in capsys.readouterr().out
    picture = read_image(out)
    assert picture.shape == (720, 960, 3)
    # Frames 1, 3, 5 and 7, left to right and down: the moving object's box is four times as large.
    for row, column, frame in ((0, 0, 1), (0, 1, 3), (1, 0, 5), (1, 1, 7)):
        part = picture[360 * row : 360 * (row + 1), 480 * column : 480 * (column + 1)]
        x1 = round((10 + 8 * frame) * 480 / 128)
        edge = part[140:200, x1 - 1 : x1 + 2].astype(int)
        assert (np.abs(edge - 90).max(-1).max(1) > 40).all()


def test_a_picture_without_tracks_is_refused(clip, tmp_path, capsys):
    own, out = own_json(tmp_path / "t.json", clip), tmp_path / "sheet.png"
    assert main(["draw", "tracks", str(own), "--score-thr", "0.95", "--out", str(out)]) == 2
    assert "There is no track above 0.95" in capsys.readouterr().err
    assert not out.exists()


def test_a_stored_track_has_one_name_from_its_first_frame_on(clip, tmp_path):
    """All its classes are known before the first frame is drawn."""
    paths = []
    for name, first in (("one", 1), ("other", 0)):
        path = own_json(tmp_path / f"{name}.json", clip)
        content = json.loads(path.read_text())
        content["frames"][0]["tracks"][0]["class"] = CLASSES[first]
        path.write_text(json.dumps(content))
        assert main(["draw", "tracks", str(path), "--out", str(tmp_path / f"{name}.mp4")]) == 0
        paths.append(tmp_path / f"{name}.mp4")
    assert (decoded(paths[0]) == decoded(paths[1])).all()


def test_frames_that_are_not_those_of_the_tracks(clip, tmp_path, capsys):
    short = tmp_path / "short.mp4"
    with VideoWriter(short, fps=8) as writer:
        writer.write(np.zeros((96, 128, 3), np.uint8))
    own = own_json(tmp_path / "t.json", short)
    out = tmp_path / "v.mp4"
    assert main(["draw", "tracks", str(own), "--out", str(out)]) == 2
    assert "tracks in frame 7, but only 1 frames" in capsys.readouterr().err
    assert not out.exists()
