from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vovtrack.evaluation import BoxTable, Statistics, evaluate
from vovtrack.evaluation.benchmarks.tao import open_source
from vovtrack.evaluation.scores.teta import METRICS, TETA, curves, teta
from vovtrack.formats.faults import InputFaults

COUNTERS = ("Loc_TP", "Loc_FN", "Loc_FP", "Cls_TP", "Cls_FN", "Cls_FP")
CASES = [("small", "small", None), ("edge", "edge", None), ("small_max10", "small", 10)]


@pytest.fixture
def load(recorded):
    """Open one recorded set."""

    def read(name, **options):
        gt, pred = recorded(f"tao_{name}_gt"), recorded(f"tao_{name}_pred")
        return open_source(gt, pred, InputFaults(), **options)

    return read


def count(source) -> Statistics:
    return source.count(0, len(source.videos))["teta"]


def class_curves(counts: Statistics) -> dict[str, np.ndarray]:
    return curves(counts, counts.label, len(counts.classes), np.ones(len(counts)))


def points(counts: Statistics) -> list[list[float]]:
    return [[scores[m] for m in METRICS] for scores in TETA.per_class(counts).values()]


@pytest.mark.golden
@pytest.mark.parametrize(("name", "data", "limit"), CASES)
def test_every_class_equals_the_official_program(recorded, load, name, data, limit):
    expected = json.loads(recorded(f"teta_{name}").read_text())
    counts = count(load(data, max_detections=limit))
    assert set(counts.classes) == set(expected["raw_per_class"])
    found, per_class = class_curves(counts), TETA.per_class(counts)
    for k, class_name in enumerate(counts.classes):
        raw = expected["raw_per_class"][class_name]
        for counter in COUNTERS:
            rows = counts.columns[counter.lower()][counts.label == k]
            assert rows.sum(axis=0).tolist() == raw[counter], class_name
        for metric in METRICS:
            assert found[metric][k] == pytest.approx(
                np.broadcast_to(raw[metric], 20), rel=0, abs=1e-9
            )
        printed = [f"{per_class[class_name][metric]:1.5g}" for metric in METRICS]
        assert printed == expected["summary"][class_name]


@pytest.mark.golden
@pytest.mark.parametrize(("name", "data", "limit"), CASES)
def test_summary_equals_the_official_tables(recorded, name, data, limit):
    expected = json.loads(recorded(f"teta_{name}").read_text())
    gt, pred = recorded(f"tao_{data}_gt"), recorded(f"tao_{data}_pred")
    found = evaluate("tao-ov", gt, pred, max_detections=limit)
    printed = [f"{value:1.5g}" for value in found["summary"]["all"].values()]
    assert printed == expected["summary"]["average"]
    for group in ("Base", "Novel"):
        row, published = found["summary_rounded"][group.lower()], expected["ov_split"][group]
        assert (row is None) == (published is None)
        if row:
            assert list(row.values()) == pytest.approx(published, rel=0, abs=1e-9)
        counted = found["protocol"]["classes_evaluated"][group.lower()]
        assert counted == expected["ov_counts"][group]


def perfect(annotations):
    rows = annotations["annotations"]
    keys = ("image_id", "category_id", "bbox", "track_id", "video_id")
    return [{**{key: row[key] for key in keys}, "score": 1.0} for row in rows]


def table(rng, tracks=4, frames=6, videos=3) -> BoxTable:
    shape = np.indices((videos, frames, tracks)).reshape(3, -1)
    corners = rng.uniform(0, 40, (shape.shape[1], 2)) + 120 * shape[2][:, None]
    boxes = np.hstack([corners, rng.uniform(15, 30, (shape.shape[1], 2))])
    return BoxTable(shape[0], shape[1], shape[2], shape[2] % 3 + 1, boxes, np.ones(len(boxes)))


CLASSES = (np.array([1, 2, 3, 4]), ("a", "b", "c", "d"), np.array([False, True, False, True]))


def test_perfect_predictions_score_100():
    gt = table(np.random.default_rng(0))
    counts = teta(gt, gt, *CLASSES)
    assert counts.classes == ("a", "b", "c") and counts.novel.tolist() == [False, True, False]
    for scores in TETA.summary(counts).values():
        assert list(scores.values()) == [100] * 10


def test_perfect_predictions_of_a_recorded_set(recorded, tmp_path):
    gt = recorded("tao_small_gt")
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(perfect(json.loads(gt.read_text()))))
    found = evaluate("tao-ov", gt, path)
    assert list(found["summary"]["all"].values()) == pytest.approx([100] * 10)


def test_names_of_tracks_and_order_of_videos_do_not_matter(load, recorded, tmp_path):
    source = load("small")
    reference = points(count(source))
    names = np.random.default_rng(0).permutation(source.dt.tracks.max() + 1)
    renamed = replace(source, dt=replace(source.dt, tracks=names[source.dt.tracks]))
    # Sums run in another order, so the last digit may differ.
    assert points(count(renamed)) == [pytest.approx(row, abs=1e-9) for row in reference]
    content = json.loads(recorded("tao_small_gt").read_text())
    content["videos"].reverse()
    turned = tmp_path / "turned.json"
    turned.write_text(json.dumps(content))
    rows = json.loads(recorded("tao_small_pred").read_text())
    moved = tmp_path / "moved.json"
    moved.write_text(json.dumps(sorted(rows, key=lambda row: -row["video_id"])))
    found = count(open_source(turned, moved, InputFaults()))
    assert points(found) == [pytest.approx(row, abs=1e-9) for row in reference]


def test_order_of_boxes_matters_at_threshold_zero_only(load):
    source = load("small")
    order = np.random.default_rng(1).permutation(len(source.dt))
    shuffled = replace(source, dt=source.dt.select(order).sorted())
    other = class_curves(count(shuffled))
    for metric, curve in class_curves(count(source)).items():
        assert other[metric][:, 1:] == pytest.approx(curve[:, 1:], abs=1e-12)


def test_no_predictions_score_0():
    gt = table(np.random.default_rng(0))
    counts = teta(gt, gt.select(slice(0, 0)), *CLASSES)
    assert list(TETA.summary(counts)["all"].values()) == [0] * 10
    assert counts.columns["loc_fn"][:, 0].sum() == len(gt)


def test_no_ground_truth_has_no_summary():
    empty = table(np.random.default_rng(0)).select(slice(0, 0))
    counts = teta(empty, empty, *CLASSES)
    assert counts.classes == ()
    assert TETA.summary(counts) == {"all": None, "base": None, "novel": None}


def test_each_part_of_the_score_sees_its_own_mistake():
    gt = table(np.random.default_rng(0))

    def score(dt):
        return TETA.summary(teta(gt, dt, *CLASSES))["all"]

    wrong_class = score(replace(gt, categories=np.full(len(gt), 4)))
    assert (wrong_class["LocA"], wrong_class["AssocA"], wrong_class["ClsA"]) == (100, 100, 0)
    broken = score(replace(gt, tracks=gt.tracks + 10 * gt.times))
    assert (broken["LocA"], broken["ClsA"]) == (100, 100)
    assert broken["AssocA"] == pytest.approx(100 / 6) and broken["AssocPr"] == 100
    missed = score(gt.select(gt.times < 3))
    assert missed["LocRe"] == pytest.approx(50) and missed["LocPr"] == 100


def test_boxes_away_from_any_ground_truth_cost_nothing():
    gt = table(np.random.default_rng(0))
    far = replace(gt, bboxes=gt.bboxes + [5000, 0, 0, 0], tracks=gt.tracks + 100)
    columns = {k: np.concatenate([v, getattr(far, k)]) for k, v in vars(gt).items()}
    found = TETA.summary(teta(gt, BoxTable(**columns), *CLASSES))["all"]
    assert list(found.values()) == [100] * 10
