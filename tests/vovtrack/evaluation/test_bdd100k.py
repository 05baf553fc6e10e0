"""BDD100K against recorded values of Scalabel, TrackEval and TETA, and by fault."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import BoxTable, evaluate
from vovtrack.evaluation.benchmarks.bdd100k import open_source, without_ignored
from vovtrack.evaluation.benchmarks.bdd100k import table as boxes_of
from vovtrack.evaluation.scores.clear import count_clear
from vovtrack.evaluation.scores.frames import split_frames
from vovtrack.evaluation.scores.hota import count_hota
from vovtrack.evaluation.scores.identity import count_identity
from vovtrack.evaluation.scores.statistics import from_videos
from vovtrack.evaluation.scores.teta import METRICS, TETA, curves, empty_columns
from vovtrack.evaluation.scores.teta_exhaustive import count_video_exhaustive
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.bdd100k import CLASSES, IGNORE, read_videos
from vovtrack.formats.faults import InputFaults

COUNTERS = ("Loc_TP", "Loc_FN", "Loc_FP", "Cls_TP", "Cls_FN", "Cls_FP")


@pytest.fixture(scope="module")
def files(recorded):
    return recorded("bdd_gt"), recorded("bdd_pred")


@pytest.fixture(scope="module")
def report(files):
    return evaluate("bdd100k", *files)


@pytest.mark.golden
def test_equals_scalabel(recorded, report):
    expected = json.loads(recorded("bdd").read_text())["scalabel_expected"]
    mean, pooled = report["summary"]["all"], report["summary"]["overall"]
    assert mean["mMOTA"] == pytest.approx(expected["mMOTA"], abs=1e-9)
    assert mean["mIDF1"] == pytest.approx(expected["mIDF1"], abs=1e-9)
    assert pooled["mMOTA"] == pytest.approx(expected["MOTA"], abs=1e-9)
    assert pooled["mIDF1"] == pytest.approx(expected["IDF1"], abs=1e-9)
    # Scalabel rounds distances on the way: the sixth digit of MOTP differs.
    assert mean["mMOTP"] == pytest.approx(expected["mMOTP"], abs=1e-3)
    for ours, theirs in (("FP", "FP"), ("FN", "FN"), ("IDSW", "IDSw")):
        assert mean[ours] == pooled[ours] == expected[theirs]


@pytest.mark.golden
def test_hota_equals_trackeval(recorded, report):
    expected = json.loads(recorded("bdd").read_text())["trackeval"]
    for name, scores in report["per_class"].items():
        for ours, theirs in (("HOTA0", "HOTA(0)"), ("LocA0", "LocA(0)")):
            assert scores[ours] == pytest.approx(100 * expected[name]["HOTA"][theirs], abs=1e-9)
        for metric in ("HOTA", "DetA", "AssA", "LocA", "AssPr"):
            value = 100 * np.mean(expected[name]["HOTA"][metric])
            assert scores[metric] == pytest.approx(value, abs=1e-9)
    average = 100 * np.mean(expected["cls_comb_cls_av"]["HOTA"]["HOTA"])
    assert report["summary"]["all"]["HOTA"] == pytest.approx(average, abs=1e-9)
    pooled = 100 * np.mean(expected["cls_comb_det_av"]["HOTA"]["HOTA"])
    assert report["summary"]["overall"]["HOTA"] == pytest.approx(pooled, abs=1e-9)


@pytest.mark.golden
def test_every_class_equals_scalabel(recorded, report):
    expected = json.loads(recorded("bdd").read_text())["scalabel_per_class"]
    names = {"mMOTA": "MOTA", "mIDF1": "IDF1", "FP": "FP", "FN": "FN", "IDSW": "IDSw"}
    for ours, theirs in names.items():
        values = expected[theirs][0]
        assert set(values) == set(CLASSES)
        for name in CLASSES:
            if ours not in report["per_class"].get(name, {}):
                assert name in ("train", "bicycle")  # which have no ground truth
                assert np.isnan(values[name]) or values[name] == 0
            elif ours in report["totals"]:
                assert report["per_class"][name][ours] == values[name], (name, ours)
            else:
                found = report["per_class"][name][ours]
                assert found == pytest.approx(values[name], abs=1e-9), (name, ours)


@pytest.mark.golden
@pytest.mark.parametrize("name", CLASSES)
def test_every_count_equals_trackeval(recorded, files, name):
    """TrackEval measures from corner to corner, as our HOTA does, and has CLEAR and Identity."""
    expected = json.loads(recorded("bdd").read_text())["trackeval"][name]
    (gt,), (dt,) = (read_videos(file, InputFaults()).values() for file in files)
    (gt, dt), number = (boxes_of(video, extent=0) for video in (gt, dt)), CLASSES.index(name)
    own = gt.select(np.isin(gt.categories, [number, IGNORE]))
    found = without_ignored(own, dt.select(dt.categories == number))
    video = split_frames(own.select(own.categories == number), found)
    hota, clear = count_hota(video), count_clear(video, len(gt))
    for ours, theirs in (("hota_tp", "HOTA_TP"), ("hota_fn", "HOTA_FN"), ("hota_fp", "HOTA_FP")):
        assert hota[ours].tolist() == expected["HOTA"][theirs]
    for ours in ("tp", "fn", "fp"):
        assert clear[ours] == expected["CLEAR"][f"CLR_{ours.upper()}"]
    for ours, theirs in zip(("idsw", "mt", "pt", "ml"), ("IDSW", "MT", "PT", "ML"), strict=True):
        assert clear[ours] == expected["CLEAR"][theirs]
    assert clear["frag"] == expected["CLEAR"]["Frag"]
    assert clear["iou"] == pytest.approx(expected["CLEAR"]["MOTP_sum"], abs=1e-9)
    identity = {key.upper(): value for key, value in count_identity(video).items()}
    assert identity == {key: expected["Identity"][key] for key in identity}


def table(rows: list[dict], times: dict[int, int], key: str) -> BoxTable:
    return BoxTable(
        np.zeros(len(rows), dtype=np.int64),
        np.array([times[row["image_id"]] for row in rows]),
        np.array([row[key] for row in rows]),
        np.array([row["category_id"] for row in rows]),
        np.array([row["bbox"] for row in rows], dtype=np.float64),
        np.ones(len(rows)),
    ).sorted()


@pytest.mark.golden
@pytest.mark.parametrize("published", [True, False])
def test_exhaustive_teta_equals_the_official_program(recorded, published):
    content = json.loads(recorded("teta_bdd_gt").read_text())
    expected = json.loads(recorded("teta_bdd").read_text())
    times = {image["id"]: image["frame_id"] for image in content["images"]}
    gt = table(content["annotations"], times, "instance_id")
    dt = table(json.loads(recorded("teta_bdd_pred").read_text()), times, "track_id")
    ids = np.array([category["id"] for category in content["categories"]])
    names = [category["name"] for category in content["categories"]]
    rows = count_video_exhaustive(gt, dt, ids, published)
    counts = from_videos("teta", ["clip"], names, None, [rows], empty_columns(0))
    found = curves(counts, counts.label, len(names), np.ones(len(counts)))
    for name, raw in expected["raw_per_class"].items():
        k = names.index(name)
        for counter in COUNTERS:
            total = counts.columns[counter.lower()][counts.label == k].sum(axis=0).tolist()
            # The published program forgets false positives of the class without any match.
            same = published or (name, counter) != ("bus", "Cls_FP")
            assert (total == raw[counter]) == same, (name, counter)
        for metric in METRICS:
            assert found[metric][k] == pytest.approx(raw[metric], rel=0, abs=1e-9)
    if published:
        printed = [f"{TETA.summary(counts)['all'][m]:1.5g}" for m in METRICS]
        assert printed == expected["summary"]["average"]


def test_boxes_where_nothing_is_annotated_are_false_positives_of_their_class():
    def boxes(times, categories):
        count = len(times)
        zeros, corners = np.zeros(count, dtype=np.int64), np.tile([0.0, 0, 9, 9], (count, 1))
        return BoxTable(
            zeros, np.array(times), zeros + 1, np.array(categories), corners, np.ones(count)
        )

    found = boxes([0, 1, 2, 3], [1, 1, 1, 2])
    rows, columns = count_video_exhaustive(boxes([0], [1]), found, np.array([1, 2]))
    assert dict(zip(rows.tolist(), columns["cls_fp"][:, 0], strict=True)) == {0: 2, 1: 1}


def test_the_protocol_says_what_was_evaluated(files):
    gt, pred = files
    source = open_source(gt, pred, InputFaults())
    assert (
        source.protocol.items()
        >= {
            "annotations": str(gt),
            "annotations_sha256": tree_sha256(gt),
            "predictions": str(pred),
            "predictions_sha256": tree_sha256(pred),
            "videos": 1,
            "classes": 8,
            "threshold": 0.5,
        }.items()
    )
    assert source.sizes.tolist() == [len(source.gt[0].times) + len(source.dt[0].times)]


def test_perfect_tracks_score_100(files, tmp_path):
    frames = json.loads(files[0].read_text())
    for frame in frames:
        frame["labels"] = [x for x in frame["labels"] if not x["attributes"]["Crowd"]]
    pred = tmp_path / "pred.json"
    pred.write_text(json.dumps({"frames": frames}))
    found = evaluate("bdd100k", files[0], pred)
    for metric in ("mMOTA", "mIDF1", "HOTA", "TETA"):
        assert found["per_class"]["car"][metric] == pytest.approx(100)
    assert found["summary"]["overall"]["mMOTA"] == 100
    assert found["summary"]["all"]["mMOTA"] == 75  # two of eight classes have no ground truth


def test_folders_and_archives_are_read(files, report, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "clip.json").write_bytes(files[1].read_bytes())
    assert evaluate("bdd100k", files[0], folder)["summary"] == report["summary"]
    archive = tmp_path / "results.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(files[1], "clip.json")
    assert evaluate("bdd100k", files[0], archive)["summary"] == report["summary"]


def test_oracles(files):
    rows = evaluate("bdd100k", *files, oracle=True)["oracle"]["rows"]
    scores = {row["name"]: row["summary"] for row in rows}
    assert scores["perfect boxes, labels, links"]["overall"]["mMOTA"] == 100
    assert scores["perfect links"]["all"]["mIDF1"] > scores["as tracked"]["all"]["mIDF1"]


FAULTS = [
    (lambda f: f[0].pop("videoName"), "frame at position 0 has no 'videoName'"),
    (lambda f: f[0].pop("index"), "position 0 has no 'frameIndex' or 'index'"),
    (lambda f: f[0].update(index="1"), "position 0 has no 'frameIndex' or 'index'"),
    (lambda f: f[0].update(index=1), "frame 1 of video .* occurs twice"),
    (lambda f: f[0].update(labels={}), "'labels' must be a list"),
    (lambda f: f[0]["labels"].append(3), "this is not a JSON object"),
    (lambda f: f[0]["labels"][0].pop("id"), "'id' must be a text or a whole number"),
    (lambda f: f[0]["labels"][1].update(id=0), "label 1 of frame 0 .* id is already in this frame"),
    (lambda f: f[0]["labels"][0].pop("box2d"), "'box2d' must have finite numbers"),
    (lambda f: f[0]["labels"][0]["box2d"].update(x1=float("nan")), "finite numbers"),
    (lambda f: f[0]["labels"][0]["box2d"].update(x2=-9), "negative size"),
    (lambda f: f[0]["labels"][0].update(category="cow"), "category is not one of BDD100K"),
    (lambda f: f.append(dict(f[0], index=999)), "frame 999 .* no such frame"),
    (lambda f: f.append(dict(f[0], videoName="x")), "video 'x': the ground truth has no such"),
    (lambda f: f.clear(), "the results of this video are missing"),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS)
def test_a_faulty_result_is_named(files, tmp_path, change, reason):
    frames = json.loads(files[1].read_text())
    change(frames)
    pred = tmp_path / "pred.json"
    pred.write_text(json.dumps(frames))
    with pytest.raises(InputError, match=reason) as caught:
        evaluate("bdd100k", files[0], pred)
    assert str(pred) in str(caught.value)


def test_lenient_drops_what_is_faulty(files, tmp_path):
    frames = json.loads(files[1].read_text())
    frames[3]["labels"][0]["category"] = "cow"
    pred = tmp_path / "pred.json"
    pred.write_text(json.dumps(frames))
    (dropped,) = evaluate("bdd100k", files[0], pred, lenient=True)["dropped"]
    assert dropped["count"] == 1 and "frame 3" in dropped["examples"][0]


def test_scalabels_own_files(realdata: Path):
    folder = realdata / "scalabel_bdd"
    found = evaluate(
        "bdd100k", folder / "track_sample_anns.json", folder / "track_predictions.json"
    )
    mean, pooled = found["summary"]["all"], found["summary"]["overall"]
    assert mean["mMOTA"] == pytest.approx(24.324204637536685, abs=1e-9)
    assert pooled["mIDF1"] == pytest.approx(71.01073676416142, abs=1e-9)
    assert round(mean["mIDF1"], 4) == 32.2478 and round(pooled["mMOTA"], 4) == 64.2007
    assert [mean[name] for name in ("FP", "FN", "IDSW")] == [126, 942, 45]


def test_a_small_example_that_scalabel_was_run_on(tmp_path):
    """A switch, a missed object, one in an ignore region and a false one of another class."""

    def box(x: float) -> dict:
        return dict(x1=x, y1=0, x2=x + 19, y2=39)

    def write(name: str, *frames: list[tuple[int, str, float, bool]]) -> Path:
        content = [
            dict(
                name=f"{number}.jpg",
                videoName="v",
                frameIndex=number,
                labels=[
                    dict(id=str(i), category=kind, box2d=box(x), attributes=dict(ignored=ignored))
                    for i, kind, x, ignored in labels
                ],
            )
            for number, labels in enumerate(frames)
        ]
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name

    gt = write(
        "gt.json",
        [(1, "car", 0, False), (2, "pedestrian", 100, False)],
        [(1, "car", 5, False), (2, "pedestrian", 100, False), (3, "car", 300, True)],
        [(1, "car", 10, False)],
    )
    pred = write(
        "pred.json",
        [(0, "car", 0, False), (1, "pedestrian", 101, False)],
        [(0, "car", 5, False), (5, "car", 300, False), (7, "bus", 500, False)],
        [(9, "car", 10, False)],
    )
    report = evaluate("bdd100k", gt, pred)
    mean, pooled = report["summary"]["all"], report["summary"]["overall"]
    expected = dict(mMOTA=14.583333, mIDF1=16.666667, mMOTP=23.809524)
    assert {key: mean[key] for key in expected} == pytest.approx(expected, abs=1e-6)
    assert (pooled["mMOTA"], pooled["mIDF1"]) == pytest.approx((40, 60))
    assert [pooled[name] for name in ("FP", "FN", "IDSW")] == [1, 1, 1]
    per_class = {name: scores["mMOTA"] for name, scores in report["per_class"].items()}
    assert per_class["car"] == pytest.approx(66.667, abs=1e-3) and per_class["pedestrian"] == 50
