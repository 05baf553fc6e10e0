"""Rendered MOTChallenge sequences: what TrackEval's layout asks for, and a perfect score."""

from __future__ import annotations

import configparser

import numpy as np
import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.evaluation import evaluate
from vovtrack.files.images import read_image
from vovtrack.formats.mot.sequences import read_sequence
from vovtrack.synthetic.video_formats.detections import DetectorModel
from vovtrack.synthetic.video_set import write_videos


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    sources = plain_sources(3)
    return write_videos(tmp_path_factory.mktemp("mot") / "set", "mot", sources, held_out=1)


def test_the_layout_is_that_of_the_benchmark(root):
    assert sorted(p.name for p in (root / "train").iterdir()) == ["plain-00", "plain-01"]
    sequence = root / "test/plain-02"
    assert sorted(p.name for p in sequence.iterdir()) == ["det", "gt", "img1", "seqinfo.ini"]
    assert sorted(p.name for p in (sequence / "img1").iterdir())[::11] == [
        "000001.jpg",
        "000012.jpg",
    ]
    info = configparser.ConfigParser()
    info.read(sequence / "seqinfo.ini")
    assert dict(info["Sequence"]) == dict(
        name="plain-02", imdir="img1", framerate="30", seqlength="12", imwidth="96",
        imheight="64", imext=".jpg",
    )  # fmt: skip


def test_boxes_are_whole_and_visibility_is_exact(root):
    rows = np.loadtxt(root / "train/plain-00/gt/gt.txt", delimiter=",")
    of = {i: rows[rows[:, 1] == i] for i in (1, 2, 3)}
    assert (of[1][:, 8] == 1).all() and len(of[1]) == 12
    hidden = of[2][of[2][:, 8] == 0]
    assert hidden[:, 0].tolist() == [6, 7] and (hidden[:, 4:6] == (10, 12)).all()
    # The third object leaves the image, and its box with it.
    assert of[3][:, 0].max() == 11 and (of[3][:, 2] < 96).all() and (of[3][:, 4] == 14).all()
    assert of[3][-1, 8] == pytest.approx(1 / 14, abs=1e-5)
    assert (rows[:, 6:8] == 1).all()


def test_truth_as_prediction_is_perfect(root, tmp_path):
    for split in ("train", "test"):
        for sequence in (root / split).iterdir():
            rows = [line.split(",") for line in (sequence / "gt/gt.txt").read_text().split()]
            text = "".join(",".join([*row[:7], "-1", "-1", "-1"]) + "\n" for row in rows)
            (tmp_path / f"{sequence.name}.txt").write_text(text)
    scores = evaluate("mot17", root, tmp_path)["summary"]["all"]
    assert {scores[name] for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1")} == {100.0}
    assert scores["IDSW"] == 0


def test_a_sequence_is_read_back_with_its_pictures(root):
    sequence = root / "train/plain-01"
    tracks = read_sequence(sequence / "gt/gt.txt", 96, 64, 12)
    source = PlainVideo(1)
    first = tracks.bboxes[tracks.frame_ids == 0]
    np.testing.assert_allclose(first, source.truth_of(0).whole_bboxes, atol=0.01)
    image = read_image(sequence / "img1/000001.jpg")[..., ::-1].astype(int)
    apart = [np.abs(image - source.render(frame)[0]).mean() for frame in (0, 1)]
    assert apart[0] < 7 < apart[1]  # levels of 256


def test_detections_are_those_of_a_detector_that_errs(root):
    truth = PlainVideo().truth_of(5)  # object 1 is hidden
    rng, model = np.random.default_rng(0), DetectorModel()
    found = [model.detect(truth, rng) for _ in range(600)]
    counts = np.array([len(scores) for _, scores in found])
    expected = 2 * model.found + model.imagined  # two objects in view
    assert counts.mean() == pytest.approx(expected, abs=0.15)
    boxes = np.concatenate([boxes for boxes, _ in found])
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
    near = np.abs(boxes - truth.whole_bboxes[0]).max(axis=1) < 4
    assert near.mean() * len(boxes) == pytest.approx(600 * model.found, rel=0.1)
    assert not (boxes[near] == truth.whole_bboxes[0]).all(axis=1).any()
    rows = np.loadtxt(root / "train/plain-00/det/det.txt", delimiter=",")
    assert rows.shape[1] == 10 and (rows[:, 1] == -1).all() and (rows[:, 7:] == -1).all()
    assert ((rows[:, 6] > 0) & (rows[:, 6] <= 1)).all()
