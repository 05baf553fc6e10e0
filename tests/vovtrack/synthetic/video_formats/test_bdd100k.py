"""Rendered BDD100K tracking: read back, scored perfectly, classes by group."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.evaluation import evaluate
from vovtrack.formats.bdd100k import CLASSES, read_videos
from vovtrack.formats.faults import InputFaults
from vovtrack.synthetic.video_set import write_videos

LABELS = "labels/box_track_20"
GROUPS = [7, 2, 0, 10, 0, 1]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("bdd") / "set"
    return write_videos(out, "bdd100k", plain_sources(3), held_out=1, groups=GROUPS)


def test_pictures_and_labels_lie_as_in_the_dataset(root):
    frames = json.loads((root / LABELS / "val/plain-02.json").read_text())
    assert [frame["frameIndex"] for frame in frames] == list(range(12))
    for frame in frames:
        assert (root / "images/track/val" / frame["videoName"] / frame["name"]).is_file()
    assert frames[0]["name"] == "plain-02-0000001.jpg"
    assert sorted(p.name for p in (root / LABELS / "train").iterdir()) == [
        "plain-00.json",
        "plain-01.json",
    ]


def test_boxes_hold_what_is_seen_and_classes_are_groups(root):
    video = read_videos(root / LABELS / "train", InputFaults())["plain-00"]
    source = PlainVideo()
    for frame in range(source.num_frames):
        truth = source.truth_of(frame)
        here = [k for k, time in enumerate(video.times) if time == frame]
        np.testing.assert_array_equal(
            [video.corners[k] for k in here], truth.bboxes[truth.annotated] - (0, 0, 1, 1)
        )
        assert [int(video.ids[k]) - 1 for k in here] == truth.annotated.tolist()
    # Labels 3, 1 and 5 are of groups 10, 2 and 1; the eight classes are counted round.
    named = {i: CLASSES[c] for i, c in zip(video.ids, video.classes, strict=True)}
    assert list(named.values()) == ["car", "car", "rider"]


def test_hidden_and_cut_objects_are_marked(root):
    frames = json.loads((root / LABELS / "train/plain-00.json").read_text())
    marks = [{k["id"]: k["attributes"] for k in frame["labels"]} for frame in frames]
    clear = dict(occluded=False, truncated=False, crowd=False)
    assert marks[0] == {f"{i:08d}": clear for i in (1, 2, 3)}
    assert marks[3]["00000002"] == clear | dict(occluded=True)
    assert "00000002" not in marks[5]
    assert marks[6]["00000003"] == clear | dict(truncated=True)


def test_truth_as_prediction_is_perfect(root, tmp_path):
    for path in (root / LABELS).rglob("*.json"):
        shutil.copy(path, tmp_path)
    scores = evaluate("bdd100k", root / LABELS, tmp_path)["summary"]
    assert {scores["overall"][name] for name in ("mMOTA", "mIDF1", "HOTA")} == {100.0}
    assert scores["all"]["TETA"] == 100
