from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.formats.tao import results as tao_results
from vovtrack.formats.tao.results import NO_VIDEO, read_results
from vovtrack.formats.tao.writer import (
    TaoResultWriter,
    rows_from_sequence,
    vote_track_categories,
)
from vovtrack.structures import TrackSequence, Vocabulary


def row(image=1, track=0, category=1, score=0.5, bbox=(1, 2, 3, 4), video=1) -> dict:
    names = ("image_id", "category_id", "bbox", "score", "track_id", "video_id")
    return dict(zip(names, (image, category, list(bbox), score, track, video), strict=True))


def sequence(**changes) -> TrackSequence:
    fields = {
        "name": "val/one",
        "width": 100,
        "height": 50,
        "num_frames": 2,
        "frame_ids": [1, 0, 1],
        "bboxes": np.array([[1, 2, 11, 22.5], [0, 0, 5, 5], [3, 3, 4, 4]]),
        "track_ids": [3, 3, -1],
        "labels": [1, 0, 0],
        "scores": [0.25, 0.5, 0.75],
        "vocabulary": Vocabulary(("cat", "dog"), (70, 40), np.zeros(2, bool)),
        "video_id": 6,
        "image_ids": [100, 101],
    }
    return TrackSequence(**{**fields, **changes})


def test_rows_of_a_sequence():
    assert rows_from_sequence(sequence(), track_id_offset=10) == [
        row(image=100, track=13, category=70, score=0.5, bbox=[0, 0, 5, 5], video=6),
        row(image=101, track=13, category=40, score=0.25, bbox=[1, 2, 10, 20.5], video=6),
    ]
    with pytest.raises(InputError, match=r"'val/one'.* need video_id and image_ids"):
        rows_from_sequence(sequence(video_id=None))


def test_vote_takes_the_majority_and_of_ties_the_smallest_id():
    rows = [row(track=t, category=c) for t, c in [(1, 9), (1, 5), (2, 8), (1, 9), (3, 4), (2, 3)]]
    rows.append(row(track=1, category=2, video=2))
    voted = vote_track_categories(rows)
    assert [r["category_id"] for r in voted] == [9, 9, 3, 9, 4, 3, 2]
    assert [r["track_id"] for r in voted] == [r["track_id"] for r in rows]


def test_vote_by_score_weighs_the_boxes():
    named = [(9, 0.1), (9, 0.2), (3, 0.5), (4, 0.5)]
    rows = [dict(video_id=1, track_id=7, category_id=c, score=s) for c, s in named]
    assert {r["category_id"] for r in vote_track_categories(rows)} == {9}
    assert {r["category_id"] for r in vote_track_categories(rows, "score")} == {3}
    with pytest.raises(InputError, match="is 'mean', expected one of count, score"):
        vote_track_categories(rows, "mean")


def test_writer_makes_track_ids_unique_and_the_reader_returns_columns(tmp_path):
    path = tmp_path / "out" / "tracks.json"
    with TaoResultWriter(path) as writer:
        writer.write_video(2, [row(image=5, track=0, video=2), row(image=5, track=4, video=2)])
        writer.write_video(1, [row(track=2), row(track=0, bbox=(0.1, 2, 3, 0))])
        writer.write_video(3, [])
        assert not path.exists()
    results = read_results(path)
    assert results.track_ids.tolist() == [2, 0, 3, 7] and len(results) == 4
    assert results.video_ids.tolist() == [1, 1, 2, 2] and results.image_ids.tolist() == [1, 1, 5, 5]
    assert results.bboxes[1].tolist() == [0.1, 2, 3, 0] and results.scores.tolist() == [0.5] * 4
    assert len(json.loads(path.read_text())) == 4 and len(list(path.parent.iterdir())) == 2


def test_no_results_are_a_valid_file(tmp_path):
    with TaoResultWriter(tmp_path / "a.json") as writer:
        writer.write_video(1, [])
    assert len(read_results(tmp_path / "a.json")) == 0


def test_joining_twice_keeps_the_result(tmp_path):
    writer = TaoResultWriter(tmp_path / "a.json")
    writer.write_video(1, [row()])
    writer.finish()
    with pytest.raises(InputError, match="already joined"):
        writer.finish()
    assert len(read_results(tmp_path / "a.json")) == 1


KILLED = """
import os, signal, sys
from vovtrack.formats.tao.writer import TaoResultWriter
with TaoResultWriter(sys.argv[1], run="a") as writer:
    writer.write_video(1, [])
    writer.write_video(4, [])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_finished_videos_survive_a_kill(tmp_path, repo_root):
    path = tmp_path / "tracks.json"
    environment = {**os.environ, "PYTHONPATH": str(repo_root)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment)
    assert done.returncode == -signal.SIGKILL and not path.exists()
    with pytest.raises(InputError, match="unfinished results of another run"):
        TaoResultWriter(path, run="b")
    with TaoResultWriter(path, run="a") as writer:
        assert writer.finished == {1, 4}
        writer.write_video(2, [row(video=2)])
    assert read_results(path).video_ids.tolist() == [2] and not writer.parts.folder.exists()


def test_an_error_keeps_what_was_finished(tmp_path):
    path = tmp_path / "tracks.json"
    with pytest.raises(RuntimeError), TaoResultWriter(path) as writer:
        writer.write_video(1, [row()])
        raise RuntimeError
    assert not path.exists() and TaoResultWriter(path).finished == {1}


def test_writer_refuses_what_is_not_finite_and_foreign_rows(tmp_path):
    writer = TaoResultWriter(tmp_path / "a.json")
    with pytest.raises(InputError, match="video 1 is not finite"):
        writer.write_video(1, [row(score=float("nan"))])
    with pytest.raises(InputError, match="row of video 1 came with video 2"):
        writer.write_video(2, [row(video=1)])
    assert writer.finished == frozenset()


def without(key):
    return {k: v for k, v in row(video=7).items() if k != key}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (without("score"), r"result 1 \(image 1, video 7\): key 'score' is missing"),
        (without("track_id"), "result 1 .*key 'track_id' is missing"),
        (without("bbox"), "result 1 .*key 'bbox' is missing"),
        (
            row(score=float("nan")),
            r"result 1 \(image 1, video 1, score nan\): key 'score' .* finite",
        ),
        (row(score=float("inf")), "result 1 .*key 'score' "),
        (row(score="0.5"), r"result 1 .*score '0.5'\): key 'score' must be a finite number"),
        (row(score=None), "result 1 .*key 'score' "),
        (row(bbox=(0, float("nan"), 1, 1)), "result 1 .*key 'bbox' "),
        (row(bbox=(0, 0, -1, 1)), "result 1 .*key 'bbox' .* w, h >= 0"),
        (row(bbox=(0, 0, 1)), "result 1 .*key 'bbox' "),
        (row(track=1.5), r"result 1 .*track_id 1.5\): key 'track_id' .* whole number of 64 bits"),
        (row(image="a"), "result 1 .*key 'image_id' "),
        ([1, 2], "result 1: this is not a JSON object"),
        (3, "result 1: this is not a JSON object"),
    ],
)
def test_bad_rows_are_named(tmp_path, bad, message):
    path = tmp_path / "tracks.json"
    path.write_text(json.dumps([row(), bad, row()]))
    with pytest.raises(InputError, match=message) as caught:
        read_results(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[",
        json.dumps([row(), row()])[:-1],
        json.dumps([row(), row()])[:-20],
        json.dumps([row(), row()]).replace("}, {", "} {"),
        json.dumps([row()])[:-1] + ",]",
    ],
)
def test_cut_or_malformed_files_are_refused(tmp_path, text):
    path = tmp_path / "tracks.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"tracks\.json: not a JSON array of results, or cut"):
        read_results(path)


def test_two_arrays_in_one_file_are_refused(tmp_path):
    path = tmp_path / "tracks.json"
    path.write_text(json.dumps([row()]) + "\n" + json.dumps([row()]))
    with pytest.raises(InputError, match="more text after the end"):
        read_results(path)


def test_absent_file(tmp_path):
    with pytest.raises(InputError, match="cannot read the file"):
        read_results(tmp_path / "none.json")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 300])
def test_reading_does_not_depend_on_the_piece_size(tmp_path, monkeypatch, indent, chunk):
    rows = [row(image=i, score=i / 7, video=i) for i in range(40)]
    rows.append({**without("video_id"), "prompt": [{"a": "}],["}]})
    path = tmp_path / "tracks.json"
    path.write_text(json.dumps(rows, indent=indent))
    whole = read_results(path)
    monkeypatch.setattr(tao_results, "CHUNK", max(chunk, 1))
    monkeypatch.setattr(tao_results, "_LONGEST", 1 << 20)
    pieces = read_results(path)
    for name, column in vars(whole).items():
        assert np.array_equal(column, getattr(pieces, name))
    assert whole.video_ids[-1] == NO_VIDEO and len(whole) == 41


@pytest.mark.parametrize("changes", [{"track": 1.5}, {"image": "1"}, {"category": True}])
def test_writer_refuses_ids_that_are_none(tmp_path, changes):
    writer = TaoResultWriter(tmp_path / "a.json")
    with pytest.raises(
        InputError, match=r"a\.json: '.*_id' of a row of video 1 is .* whole number"
    ):
        writer.write_video(1, [row(), row(**changes)])
    assert writer.finished == frozenset()
