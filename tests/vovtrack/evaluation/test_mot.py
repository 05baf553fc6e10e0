"""HOTA, CLEAR and Identity against recorded values of TrackEval, by property, and by fault."""

from __future__ import annotations

import itertools
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import BoxTable, evaluate
from vovtrack.evaluation.benchmarks.mot import count_families, open_source
from vovtrack.evaluation.reports.report import statistics_of
from vovtrack.evaluation.scores import hota
from vovtrack.evaluation.scores.clear import CLEAR, TOTALS, count_clear
from vovtrack.evaluation.scores.frames import split_frames
from vovtrack.evaluation.scores.identity import count_identity
from vovtrack.formats.faults import InputFaults

HOTA_COUNTS = {"HOTA_TP": "hota_tp", "HOTA_FN": "hota_fn", "HOTA_FP": "hota_fp"}
CLEAR_NAMES = {"CLR_TP": "TP", "CLR_FN": "FN", "CLR_FP": "FP", "CLR_Re": "Re", "CLR_Pr": "Pr"}
CLEAR_NAMES |= {"CLR_F1": "F1"} | {name: name for name in ("IDSW", "MT", "PT", "ML", "Frag")}
CLEAR_NAMES |= {name: name for name in ("MOTA", "MOTP", "MODA", "sMOTA", "MOTAL")}
CURVES = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "OWTA")


@pytest.fixture(scope="module")
def folders(repo_root):
    root = repo_root / "tests/data/evaluation/mot"
    return root / "gt/MOT17-train", root / "trackers/MOT17-train/syn"


@pytest.fixture(scope="module")
def report(folders):
    return evaluate("mot17", *folders)


@pytest.mark.golden
@pytest.mark.parametrize("name", ["SYN-0", "SYN-1", "SYN-2", "COMBINED_SEQ"])
def test_equals_trackeval(recorded, report, name):
    expected = json.loads(recorded("mot17").read_text())["cases"]["mot17"][name]
    counts = statistics_of(report, "report")
    rows = slice(None)
    scores = report["summary"]["all"]
    if name != "COMBINED_SEQ":
        rows = counts["hota"].videos.index(name)
        scores = report["per_video"][name]
    table = counts["hota"]
    for theirs, ours in HOTA_COUNTS.items():
        found = np.atleast_2d(table.columns[ours][rows]).sum(axis=0)
        assert found.tolist() == expected["HOTA"][theirs]
    chosen = table.select(np.arange(len(table))[rows].reshape(-1))
    curves = hota.curves(chosen, np.zeros(len(chosen), int), 1, np.ones(len(chosen)))
    for metric in CURVES:
        assert curves[metric][0] == pytest.approx(expected["HOTA"][metric], rel=0, abs=1e-9)
    assert scores["HOTA0"] == pytest.approx(100 * expected["HOTA"]["HOTA(0)"], abs=1e-7)
    assert scores["LocA0"] == pytest.approx(100 * expected["HOTA"]["LocA(0)"], abs=1e-7)
    for theirs, ours in CLEAR_NAMES.items():
        value = expected["CLEAR"][theirs] * (1 if ours in TOTALS else 100)
        assert scores[ours] == pytest.approx(value, rel=0, abs=1e-7), ours
    for metric in ("IDF1", "IDR", "IDP"):
        assert scores[metric] == pytest.approx(100 * expected["Identity"][metric], abs=1e-7)
    for metric in ("IDTP", "IDFN", "IDFP"):
        assert scores[metric] == expected["Identity"][metric]


def table(rng, frames=20, tracks=5) -> BoxTable:
    shape = np.indices((frames, tracks)).reshape(2, -1)
    corners = rng.uniform(0, 30, (shape.shape[1], 2)) + 60 * shape[1][:, None]
    boxes = np.hstack([corners, rng.uniform(30, 60, (shape.shape[1], 2))])
    return BoxTable(shape[0] * 0, shape[0], shape[1], shape[1] * 0 + 1, boxes, np.ones(len(boxes)))


def counted(gt, dt):
    return count_families(split_frames(gt, dt), 20)


def test_perfect_tracks_score_100(folders, tmp_path):
    for sequence in folders[0].iterdir():
        rows = (sequence / "gt/gt.txt").read_text().splitlines()
        kept = [r for r in rows if r.split(",")[6] != "0" and r.split(",")[7] == "1"]
        text = "\n".join(",".join(r.split(",")[:7]) for r in kept)
        (tmp_path / f"{sequence.name}.txt").write_text(text)
    scores = evaluate("mot17", folders[0], tmp_path)["summary"]["all"]
    for metric in ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1"):
        assert scores[metric] == pytest.approx(100)
    assert scores["IDSW"] == scores["FP"] == scores["FN"] == 0


def test_names_of_tracks_do_not_matter_and_zero_is_a_name():
    rng = np.random.default_rng(0)
    gt = table(rng)
    dt = replace(gt, bboxes=gt.bboxes + rng.normal(0, 8, gt.bboxes.shape).round() % 9)
    dt = dt.select(rng.random(len(dt)) < 0.8)
    assert dt.tracks.min() == 0
    other = counted(gt, replace(dt, tracks=7 - dt.tracks))
    for family, columns in counted(gt, dt).items():
        for name, value in columns.items():
            assert other[family][name] == pytest.approx(value), name


def test_identity_is_the_best_of_all_assignments():
    rng = np.random.default_rng(1)
    for _ in range(20):
        gt, dt = table(rng, 6, 3), table(rng, 6, 3)
        dt = replace(dt, tracks=rng.permuted(dt.tracks.reshape(6, 3), axis=1).ravel())
        video = split_frames(gt, dt)
        shared = np.zeros((3, 3), int)
        for frame in video.frames:
            for i, j in zip(*np.nonzero(frame.iou >= 0.5), strict=True):
                shared[frame.gt[i], frame.dt[j]] += 1
        best = max(
            sum(shared[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(3))
        )
        found = count_identity(video)
        assert found == {"idtp": best, "idfn": 18 - best, "idfp": 18 - best}


def test_a_switch_is_seen_after_any_gap():
    gt = table(np.random.default_rng(2), frames=6, tracks=1)
    dt = replace(gt, tracks=np.array([5, 5, 5, 9, 9, 9]))
    assert count_clear(split_frames(gt, dt), 6)["idsw"] == 1
    dt = dt.select(np.array([True, True, False, False, False, True]))
    found = count_clear(split_frames(gt, dt), 6)
    # Frames without predictions do not end the memory of the previous frame: no fragment.
    assert (found["idsw"], found["fn"], found["frag"], found["pt"]) == (1, 3, 0, 1)


def test_one_empty_side(folders, tmp_path):
    for name in ("SYN-0", "SYN-1", "SYN-2"):
        (tmp_path / f"{name}.txt").write_text("")
    scores = evaluate("mot17", folders[0], tmp_path)["summary"]["all"]
    assert scores["HOTA"] == scores["MOTA"] == scores["IDF1"] == 0
    assert scores["FN"] > 0 and scores["ML"] > 0 and scores["FP"] == 0
    gt = table(np.random.default_rng(0))
    found = count_clear(split_frames(gt.select(slice(0, 0)), gt), 20)
    assert (found["fp"], found["fn"], found["ml"]) == (100, 0, 0)


def test_shards_and_archives_give_the_same_digits(folders, report, tmp_path):
    assert evaluate("mot17", *folders, shards=2) == report
    archive = tmp_path / "results.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (folders[1] / "data").iterdir():
            file.write(path, f"data/{path.name}")
    assert evaluate("mot17", folders[0], archive)["summary"] == report["summary"]


def test_mot20_forgives_one_more_class(folders, report):
    assert evaluate("mot20", *folders)["summary"]["all"]["FP"] <= report["summary"]["all"]["FP"]
    assert report["protocol"]["distractor_classes"] == [2, 7, 8, 12]


def test_perfect_links_on_mot(folders):
    rows = evaluate("mot17", *folders, oracle=True)["oracle"]["rows"]
    by_name = {row["name"]: row["summary"]["all"] for row in rows}
    assert by_name["perfect links"]["IDSW"] == 0
    assert by_name["perfect links"]["AssA"] > by_name["as tracked"]["AssA"]
    perfect = by_name["perfect boxes, links"]
    assert perfect["IDF1"] == perfect["HOTA"] == perfect["MOTA"] == 100


FAULTS = [
    ("1,1,10,10,5", "line 1: 5 columns; expected frame,id,x,y,w,h,conf"),
    ("1,1,10,10,5,x,1", "line 1: could not convert string to float"),
    ("1.5,1,10,10,5,5,1", "line 1: frame must be a whole number, not 1.5"),
    ("1,nan,10,10,5,5,1", "line 1: id must be a whole number, not nan"),
    ("1,1e300,10,10,5,5,1", "line 1: id must be a whole number, not 1e300"),
    ("1,1,inf,10,5,5,1", r"line 1 \(frame 1, id 1\): a number is not finite"),
    ("1,1,10,10,-5,5,1", "must not be negative"),
    ("0,1,10,10,5,5,1", "expected a frame of 1 to 80"),
    ("81,1,10,10,5,5,1", "expected a frame of 1 to 80"),
    ("1,-1,10,10,5,5,1", "expected an id of at least 0"),
    ("1,1,1,1,5,5,1\n\n1,1,9,9,5,5,1", "line 3 .*: its id is already in this frame"),
    ("1,1,10,10,5,5,1,3,1", "SYN-0, frame 1, id 1 has class 3"),
]


@pytest.mark.parametrize(("text", "reason"), FAULTS)
def test_a_faulty_result_is_named(folders, tmp_path, text, reason):
    shutil.copytree(folders[1] / "data", tmp_path, dirs_exist_ok=True)
    (tmp_path / "SYN-0.txt").write_text(text)
    with pytest.raises(InputError, match=reason):
        evaluate("mot17", folders[0], tmp_path)


def test_missing_and_unknown_sequences(folders, tmp_path):
    shutil.copytree(folders[1] / "data", tmp_path, dirs_exist_ok=True)
    (tmp_path / "SYN-1.txt").rename(tmp_path / "OTHER.txt")
    with pytest.raises(InputError, match="OTHER.txt: the ground truth has no such sequence"):
        evaluate("mot17", folders[0], tmp_path)
    found = evaluate("mot17", folders[0], tmp_path, lenient=True)
    assert [entry["examples"] for entry in found["dropped"]] == [["OTHER.txt"], ["SYN-1.txt"]]
    assert found["per_video"]["SYN-1"]["HOTA"] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda gt: (gt / "SYN-0/seqinfo.ini").unlink(), "seqinfo.ini: cannot read the file"),
        (lambda gt: (gt / "SYN-0/seqinfo.ini").write_text("seqLength=80"), "expected .Sequence."),
        (lambda gt: (gt / "SYN-0/seqinfo.ini").write_text("[Sequence]\nseqLength=x"), "expected"),
        (lambda gt: (gt / "SYN-0/gt/gt.txt").write_bytes(b"\xff\xfe"), "not a UTF-8 text"),
        (lambda gt: [shutil.rmtree(path) for path in gt.iterdir()], "found no <sequence>/gt"),
    ],
)
def test_faulty_ground_truth_is_named(folders, tmp_path, change, reason):
    gt = tmp_path / "gt"
    shutil.copytree(folders[0], gt)
    change(gt)
    with pytest.raises(InputError, match=reason):
        open_source(gt, folders[1], InputFaults(), benchmark="mot17")


def test_totals_are_counts(report):
    assert set(report["totals"]) == {*CLEAR.totals, "IDTP", "IDFN", "IDFP"}
