"""Single-object scores against recorded values, by property, and by fault."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.scores.single_object import count_got10k, overlap, prepare
from vovtrack.files.hashing import tree_sha256

PUBLISHED = {
    "pytracking_otb": "otb",
    "pytracking_lasot": "lasot",
    "pytracking_lasot_exclude_invalid": "lasot_ext",
    "pytracking_uav": "uav",
}
NAMES = {"AUC": "AUC", "OP50": "OP50", "OP75": "OP75", "precision": "Precision"}
NAMES |= {"norm_precision": "NormPrecision"}


@pytest.fixture
def folders(recorded, tmp_path):
    """The recorded sequences in the layout of LaSOT."""
    content = json.loads(recorded("sot").read_text())
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    pred.mkdir()
    for name, sequence in content["sequences"].items():
        (gt / name).mkdir(parents=True)
        lines = "\n".join(",".join(map(str, box)) for box in sequence["gt"])
        (gt / name / "groundtruth.txt").write_text(lines)
        hidden = ",".join(str(int(not visible)) for visible in sequence["visible"])
        (gt / name / "full_occlusion.txt").write_text(hidden)
        (gt / name / "out_of_view.txt").write_text(",".join("0" * len(sequence["gt"])))
        lines = "\n".join("\t".join(map(str, box)) for box in sequence["pred"])
        (pred / f"{name}.txt").write_text(lines)
    return gt, pred, content["reference"]


@pytest.mark.golden
@pytest.mark.parametrize(("reference", "preset"), PUBLISHED.items())
def test_equals_pytracking(folders, reference, preset):
    gt, pred, references = folders
    expected = references[reference]
    report = evaluate("sot", gt, pred, preset=preset)
    for theirs, ours in NAMES.items():
        # The published program adds up in single precision.
        assert report["summary"]["all"][ours] == pytest.approx(expected[theirs], abs=1e-4)
    areas = [scores["AUC"] for scores in report["per_video"].values()]
    assert areas == pytest.approx(expected["per_seq_AUC"], abs=1e-4)


@pytest.mark.golden
def test_equals_got10k(folders):
    gt, pred, references = folders
    found = evaluate("sot", gt, pred)["summary"]["all"]
    for metric in ("AO", "SR50", "SR75"):
        assert found[metric] == pytest.approx(100 * references["got10k"][metric], abs=1e-9)


def test_mmtracking_demo(realdata, tmp_path):
    pred = tmp_path / "pred"
    pred.mkdir()
    folder = realdata / "mmtracking/demo_sot_data/lasot"
    for name in ("airplane-1", "airplane-2"):
        (pred / f"{name}.txt").write_bytes((folder / name / "track_results.txt").read_bytes())
    found = evaluate("sot", folder, pred, preset="mmtracking", box_format="xyxy")["summary"]["all"]
    assert found["AUC"] == pytest.approx(67.5238, abs=5e-5)
    assert (found["Precision"], found["NormPrecision"]) == pytest.approx((50, 70))


def test_perfect_boxes_score_100_where_there_is_a_target(folders, tmp_path):
    gt, _, _ = folders
    perfect = tmp_path / "perfect"
    perfect.mkdir()
    for folder in gt.iterdir():
        (perfect / f"{folder.name}.txt").write_bytes((folder / "groundtruth.txt").read_bytes())
    found = evaluate("sot", gt, perfect, preset="lasot_ext")["summary"]["all"]
    # No overlap is above 1 but by rounding, so that the last threshold is mostly missed.
    assert 100 * 20 / 21 <= found["AUC"] + 1e-9 <= 100
    assert found["Precision"] == found["NormPrecision"] == found["AO"] == 100


def test_the_protocol_says_what_was_evaluated(folders):
    gt, pred, _ = folders
    protocol = evaluate("sot", gt, pred, preset="uav")["protocol"]
    frames = sum(len((pred / f"{x.name}.txt").read_text().splitlines()) for x in gt.iterdir())
    assert (
        protocol.items()
        >= {
            "annotations": str(gt),
            "annotations_sha256": tree_sha256(gt),
            "predictions": str(pred),
            "predictions_sha256": tree_sha256(pred),
            "videos": len(list(gt.iterdir())),
            "frames": frames,
            "preset": "uav",
            "box_format": "xywh",
        }.items()
    )


def test_overlap_and_held_boxes():
    box = np.array([[0, 0, 10, 10.0], [5, 5, 0, 0], [2, 2, 4, 4]])
    assert overlap(box, np.array([[5, 0, 10, 10.0]] * 3)).tolist() == [1 / 3, 0, 4 / 112]
    held = prepare(box, np.array([[1, 1, 1, 1.0]] * 3))
    assert held[:2].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]


FAULTS = [
    (lambda gt, pred: (pred / "s0.txt").unlink(), "s0.txt: the predictions are missing"),
    (lambda gt, pred: (pred / "x.txt").write_text(""), "x.txt: the ground truth has no such"),
    (lambda gt, pred: (pred / "s0.txt").write_text("1,2,3,4"), "1 rows for 60 frames"),
    (lambda gt, pred: (pred / "s0.txt").write_text("1,2,3"), "line 1: 3 numbers; expected x, y"),
    (lambda gt, pred: (pred / "s0.txt").write_text("1,2,a,4"), "line 1: could not convert"),
    (lambda gt, pred: (pred / "s0.txt").write_text("1 2 nan 4"), "line 1: a number is not finite"),
    (lambda gt, pred: (pred / "s0.txt").write_text("1,2,-3,4\n" * 60), "line 1: .* negative size"),
    (lambda gt, pred: (gt / "s0/full_occlusion.txt").write_text("0,1"), "2 numbers for 60 frames"),
    (lambda gt, pred: (gt / "s0/full_occlusion.txt").write_text("a"), "expected whole numbers"),
    (lambda gt, pred: (gt / "s0/groundtruth.txt").write_text(""), "there is no box in it"),
    (lambda gt, pred: (gt / "s0/groundtruth.txt").write_bytes(b"\xff"), "not a UTF-8 text file"),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS)
def test_faulty_files_are_named(folders, change, reason):
    gt, pred, _ = folders
    change(gt, pred)
    with pytest.raises(InputError, match=reason):
        evaluate("sot", gt, pred)


def test_other_faults(folders, tmp_path):
    gt, pred, _ = folders
    with pytest.raises(InputError, match="preset is 'vot', expected one of otb, nfs, uav"):
        evaluate("sot", gt, pred, preset="vot")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found no <sequence>/groundtruth.txt"):
        evaluate("sot", tmp_path / "empty", pred)
    (pred / "s0.txt").write_text("1,2,3,4")
    found = evaluate("sot", gt, pred, lenient=True)
    assert found["dropped"][0]["examples"] == ["s0"]


def test_both_boxes_are_cut_at_the_image():
    image, everywhere = (100, 100), np.array([True, True])
    gt = np.array([[0.0, 0, 10, 10], [90, 0, 20, 10]])
    pred = np.array([[0.0, 0, 10, 10], [90, 0, 40, 10]])
    assert count_got10k(pred, gt, everywhere, None)["overlap"] == pytest.approx(0.5)
    assert count_got10k(pred, gt, everywhere, image)["overlap"] == pytest.approx(1)
    assert count_got10k(gt, pred, everywhere, image)["overlap"] == pytest.approx(1)


def test_missing_predictions_hit_nothing(folders):
    """Not even where a box that stays at the first place would."""
    gt, pred, _ = folders
    (pred / "s0.txt").unlink()
    found = evaluate("sot", gt, pred, lenient=True)["per_video"]["s0"]
    frames = len((gt / "s0/groundtruth.txt").read_text().splitlines())
    assert found["OP50"] == pytest.approx(100 / frames)  # the first box is given


@pytest.mark.parametrize("absent", ["nan,nan,nan,nan", "0,0,0,0", "-1,-1,-1,-1"])
def test_absent_frames_may_be_written_in_three_ways(tmp_path, absent):
    box, other = "10,10,20,20\n", "50,50,20,20\n"
    (tmp_path / "gt/a").mkdir(parents=True)
    (tmp_path / "gt/a/groundtruth.txt").write_text(box + f"{absent}\n" + box * 2)
    (tmp_path / "pred").mkdir()
    (tmp_path / "pred/a.txt").write_text(box * 3 + other)
    scores = {
        preset: evaluate("sot", tmp_path / "gt", tmp_path / "pred", preset=preset)["per_video"]["a"]
        for preset in ("uav", "strict")
    }
    assert scores["uav"]["OP50"] == 50 and scores["uav"]["Precision"] == 75
    assert scores["strict"]["OP50"] == scores["strict"]["Precision"] == pytest.approx(200 / 3)
    if "nan" in absent:
        with pytest.raises(
            InputError, match="'a' .*: box 2 of the ground truth is NaN, .*uav, strict"
        ):
            evaluate("sot", tmp_path / "gt", tmp_path / "pred", preset="lasot")
        return
    assert evaluate("sot", tmp_path / "gt", tmp_path / "pred", preset="otb")["summary"]


def test_the_protocol_states_the_rule_of_absent_frames(folders):
    gt, pred, _ = folders
    rules = {
        preset: evaluate("sot", gt, pred, preset=preset)["protocol"]["absent_frames"]
        for preset in ("otb", "uav", "lasot", "lasot_ext")
    }
    assert len(set(rules.values())) == 4
    assert "always precise" in rules["uav"] and "never precise" in rules["otb"]
    assert "left out" in rules["lasot_ext"]
