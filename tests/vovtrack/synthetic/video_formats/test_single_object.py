"""Rendered single-object sequences: a target that is well visible at first, and a perfect score."""

from __future__ import annotations

import configparser
from dataclasses import replace

import numpy as np
import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.files.images import read_image
from vovtrack.formats.single_object import read_ground_truth
from vovtrack.formats.single_object_folders import ATTRIBUTES, cover_levels
from vovtrack.synthetic.video_formats.otb import attributes
from vovtrack.synthetic.video_formats.target import choose_target
from vovtrack.synthetic.video_set import write_videos

NAMES = ["-", "disc", "-", "square", "-", "star"]


class Chooser:
    """Chooses the object of a number."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def choice(self, candidates):
        assert self.wanted in candidates
        return self.wanted


class Late(PlainVideo):
    """Objects that can be seen from frame 3 on only."""

    def truth_of(self, frame):
        truth = super().truth_of(frame)
        return truth if frame >= 3 else replace(truth, layers=np.full_like(truth.layers, -1))


class Cut(PlainVideo):
    """Objects of which less and less is seen, and never much."""

    def truth_of(self, frame):
        truth = super().truth_of(frame)
        return replace(truth, whole_areas=truth.whole_areas * (1.5 + 0.1 * abs(frame - 2)))


class Empty(Late):
    def truth_of(self, frame):
        return super().truth_of(0)


def sets(folder, format):
    held_out = 1 if format == "got10k" else 0
    return write_videos(folder / format, format, plain_sources(3), held_out=held_out, names=NAMES)


@pytest.fixture(scope="module")
def otb(tmp_path_factory):
    return sets(tmp_path_factory.mktemp("sot"), "otb")


@pytest.fixture(scope="module")
def got10k(tmp_path_factory):
    return sets(tmp_path_factory.mktemp("sot"), "got10k")


def test_otb_lies_as_in_the_benchmark(otb):
    assert sorted(p.name for p in otb.iterdir()) == ["anno", *(f"plain-0{k}" for k in range(3))]
    for sequence in read_ground_truth(otb):
        pictures = sorted((otb / sequence.name / "img").iterdir())
        assert [p.name for p in pictures] == [
            f"{k + 1:04d}.jpg" for k in range(len(sequence.bboxes))
        ]
        flags = (otb / "anno/att" / f"{sequence.name}.txt").read_text().split(",")
        assert len(flags) == len(ATTRIBUTES) and {int(flag) for flag in flags} <= {0, 1}
        # OTB counts pixels from 1, and a box inside of the image has no corner below.
        assert (sequence.bboxes[:, :2] >= 1).all() and (sequence.bboxes[:, 2:] >= 1).all()


def test_got10k_lies_as_in_the_benchmark(got10k):
    assert (got10k / "train/list.txt").read_text().split() == [
        "GOT-10k_Train_000001",
        "GOT-10k_Train_000002",
    ]
    assert (got10k / "val/list.txt").read_text().split() == ["GOT-10k_Val_000001"]
    folder = got10k / "val/GOT-10k_Val_000001"
    pictures = [f"{k:08d}.jpg" for k in range(1, 13)]
    labels = ["absence.label", "cover.label", "cut_by_image.label"]
    names = [*pictures, *labels, "groundtruth.txt", "meta_info.ini"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    info = configparser.ConfigParser(delimiters=":")
    info.read(folder / "meta_info.ini")
    assert info["METAINFO"]["resolution"] == "(96, 64)"
    assert info["METAINFO"]["object_class"] in NAMES
    assert info["METAINFO"]["url"] == "plain-02"
    # Programs take the classes from lines 6 to 10.
    words = (folder / "meta_info.ini").read_text().splitlines()[5:10]
    assert [word.split(":")[0] for word in words] == [
        "object_class", "motion_class", "major_class", "root_class", "motion_adverb",
    ]  # fmt: skip


def test_targets_are_seen_in_the_picture(got10k):
    for sequence in read_ground_truth(got10k):
        first = next(got10k.glob(f"*/{sequence.name}/00000001.jpg"))
        assert read_image(first).shape == (64, 96, 3) and sequence.size == (96, 64)
        assert sequence.visible[0] and len(sequence.bboxes) == 12


def test_labels_say_when_the_target_is_hidden_and_cut():
    hidden = choose_target(PlainVideo(), Chooser(1), stays=False)
    assert np.flatnonzero(hidden.areas == 0).tolist() == [5, 6]
    assert cover_levels(hidden.visible).tolist() == [8, 8, 8, 6, 3, 0, 0, 3, 6, 8, 8, 8]
    leaving = choose_target(PlainVideo(num_frames=14), Chooser(2), stays=False)
    assert np.flatnonzero(leaving.inside < 1).tolist() == list(range(5, 14))
    assert leaving.bboxes[4].tolist() == [80, 38, 94, 50]
    assert leaving.bboxes[6].tolist() == [85, 38, 96, 50]  # cut at the image
    assert (leaving.bboxes[11:] == 0).all() and (leaving.areas[11:] == 0).all()


def test_otb_ends_where_the_target_leaves():
    video = PlainVideo(num_frames=14)
    assert choose_target(video, Chooser(0), stays=True).frames == range(14)
    leaving = choose_target(video, Chooser(2), stays=True)
    assert leaving.frames == range(11) and (leaving.bboxes[:, 2:] > leaving.bboxes[:, :2]).all()


def test_a_sequence_begins_when_something_is_seen():
    target = choose_target(Late(), np.random.default_rng(0), stays=False)
    assert target.frames == range(3, 12) and target.visible[0] == 1


def test_where_nothing_is_seen_well_the_best_moment_is_the_first():
    target = choose_target(Cut(), np.random.default_rng(0), stays=False)
    assert target.frames == range(2, 12) and target.visible[0] == pytest.approx(1 / 1.5)


def test_a_video_without_a_target_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="Video 'v': no object is ever seen well enough"):
        write_videos(tmp_path / "set", "otb", [("v", Empty)])


def test_attributes_follow_their_definitions():
    video = PlainVideo()
    hidden = choose_target(video, Chooser(1), stays=True)
    assert attributes(hidden) == ["OCC", "LR"]
    leaving = choose_target(video, Chooser(2), stays=True)
    assert attributes(leaving) == ["OV", "LR"]
    large = replace(hidden, bboxes=hidden.bboxes * 10, visible=hidden.inside)
    assert attributes(large) == ["FM"]
    grown = hidden.bboxes.copy()
    grown[6:] = [0, 0, 60, 60]
    changed = replace(
        large,
        bboxes=grown,
        light=np.linspace(1, 0.5, 12),
        blur=np.full(12, 3.0),
        turn=np.linspace(0, 7, 12),
    )
    assert {"IV", "SV", "MB", "IPR"} <= {*attributes(changed)}


@pytest.mark.parametrize("format", ["otb", "got10k"])
def test_truth_as_prediction_is_perfect(format, request, tmp_path):
    root = request.getfixturevalue(format)
    for sequence in read_ground_truth(root):
        rows = [",".join(map(str, box)) + "\n" for box in sequence.bboxes.tolist()]
        (tmp_path / f"{sequence.name}.txt").write_text("".join(rows))
    scores = evaluate("sot", root, tmp_path)["summary"]["all"]
    if format == "got10k":
        assert [scores[name] for name in ("AO", "SR50", "SR75")] == [100, 100, 100]
    else:
        # An overlap of 1 is not above the last of the 21 thresholds.
        assert scores["AUC"] == pytest.approx(100 * 20 / 21)
        assert scores["Precision"] == scores["NormPrecision"] == 100
