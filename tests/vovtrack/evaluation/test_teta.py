from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.tao import evaluate_tao, teta_of_tao
from vovtrack.evaluation.teta import COLUMNS, teta
from vovtrack.formats.tao import read_annotations
from vovtrack.formats.tao_results import read_results
from vovtrack.structures.vocabulary import from_categories

COUNTERS = ("Loc_TP", "Loc_FN", "Loc_FP", "Cls_TP", "Cls_FN", "Cls_FP")
CASES = [("small", "small", None), ("edge", "edge", None), ("small_max10", "small", 10)]


@pytest.fixture
def load(recorded):
    """Read one recorded set: annotations, results, vocabulary."""

    def read(name):
        annotations = read_annotations(recorded(f"tao_{name}_gt"))
        vocabulary = from_categories(annotations["categories"], name)
        return annotations, read_results(recorded(f"tao_{name}_pred")), vocabulary

    return read


@pytest.mark.golden
@pytest.mark.parametrize(("name", "data", "limit"), CASES)
def test_every_class_equals_the_official_program(recorded, load, name, data, limit):
    expected = json.loads(recorded(f"teta_{name}").read_text())
    result = teta_of_tao(*load(data), limit)
    assert set(result.names) == set(expected["raw_per_class"])
    curves = result.curves()
    for k, class_name in enumerate(result.names):
        raw = expected["raw_per_class"][class_name]
        for counter in COUNTERS:
            assert getattr(result, counter.lower())[k].tolist() == raw[counter], class_name
        for column in COLUMNS:
            assert curves[column][k] == pytest.approx(
                np.broadcast_to(raw[column], 20), rel=0, abs=1e-9
            )
        printed = [f"{value:1.5g}" for value in result.per_class()[k]]
        assert printed == expected["summary"][class_name]


@pytest.mark.golden
@pytest.mark.parametrize(("name", "data", "limit"), CASES)
def test_summary_equals_the_official_tables(recorded, name, data, limit):
    expected = json.loads(recorded(f"teta_{name}").read_text())
    found = evaluate_tao(recorded(f"tao_{data}_gt"), recorded(f"tao_{data}_pred"), limit)
    printed = [f"{value:1.5g}" for value in found["summary"]["all"].values()]
    assert printed == expected["summary"]["average"]
    for group in ("Base", "Novel"):
        row, points = found["summary_rounded"][group.lower()], expected["ov_split"][group]
        assert (row is None) == (points is None)
        if row:
            assert list(row.values()) == pytest.approx(points, rel=0, abs=1e-9)
        count = found["protocol"]["classes_evaluated"][group.lower()]
        assert count == expected["ov_counts"][group]


def perfect(annotations):
    rows = annotations["annotations"]
    keys = ("image_id", "category_id", "bbox", "track_id", "video_id")
    return [{**{key: row[key] for key in keys}, "score": 1.0} for row in rows]


def table(rng, tracks=4, frames=6, videos=3) -> BoxTable:
    shape = np.indices((videos, frames, tracks)).reshape(3, -1)
    corners = rng.uniform(0, 40, (shape.shape[1], 2)) + 120 * shape[2][:, None]
    boxes = np.hstack([corners, rng.uniform(15, 30, (shape.shape[1], 2))])
    return BoxTable(shape[0], shape[1], shape[2], shape[2] % 3 + 1, boxes)


CLASSES = (np.array([1, 2, 3, 4]), ("a", "b", "c", "d"), np.array([False, True, False, True]))


def test_perfect_predictions_score_100():
    gt = table(np.random.default_rng(0))
    result = teta(gt, gt, *CLASSES)
    assert result.names == ("a", "b", "c") and result.novel.tolist() == [False, True, False]
    for group in ("all", "base", "novel"):
        assert list(result.summary(group).values()) == [100] * 10


def test_perfect_predictions_of_a_recorded_set(recorded, tmp_path):
    gt = recorded("tao_small_gt")
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(perfect(json.loads(gt.read_text()))))
    found = evaluate_tao(gt, path)
    assert list(found["summary"]["all"].values()) == pytest.approx([100] * 10)


def test_names_of_tracks_and_order_of_videos_do_not_matter(load):
    annotations, results, vocabulary = load("small")
    reference = teta_of_tao(annotations, results, vocabulary).per_class()
    rng = np.random.default_rng(0)
    names = rng.permutation(results.track_ids.max() + 1)
    renamed = replace(results, track_ids=names[results.track_ids])
    found = teta_of_tao(annotations, renamed, vocabulary).per_class()
    assert found == pytest.approx(reference, abs=1e-9)  # sums run in another order
    turned = {**annotations, "videos": annotations["videos"][::-1]}
    assert np.array_equal(teta_of_tao(turned, results, vocabulary).per_class(), reference)
    by_video = np.argsort(-results.video_ids, kind="stable")
    moved = teta_of_tao(annotations, results.select(by_video), vocabulary)
    assert np.array_equal(moved.per_class(), reference)


def test_order_of_boxes_matters_at_threshold_zero_only(load):
    annotations, results, vocabulary = load("small")
    reference = teta_of_tao(annotations, results, vocabulary)
    shuffled = results.select(np.random.default_rng(1).permutation(len(results)))
    other = teta_of_tao(annotations, shuffled, vocabulary)
    for column, curve in reference.curves().items():
        assert other.curves()[column][:, 1:] == pytest.approx(curve[:, 1:], abs=1e-12)


def test_no_predictions_score_0():
    gt = table(np.random.default_rng(0))
    result = teta(gt, gt.select(slice(0, 0)), *CLASSES)
    assert list(result.summary().values()) == [0] * 10
    assert result.loc_fn[:, 0].sum() == len(gt)


def test_no_ground_truth_has_no_summary():
    empty = table(np.random.default_rng(0)).select(slice(0, 0))
    result = teta(empty, empty, *CLASSES)
    assert result.names == () and result.summary() is None and result.summary("novel") is None


def test_each_part_of_the_score_sees_its_own_mistake():
    gt = table(np.random.default_rng(0))
    wrong_class = teta(gt, replace(gt, categories=np.full(len(gt), 4)), *CLASSES).summary()
    assert (wrong_class["LocA"], wrong_class["AssocA"], wrong_class["ClsA"]) == (100, 100, 0)
    fragments = replace(gt, tracks=gt.tracks + 10 * gt.times)
    broken = teta(gt, fragments, *CLASSES).summary()
    assert (broken["LocA"], broken["ClsA"]) == (100, 100)
    assert broken["AssocA"] == pytest.approx(100 / 6) and broken["AssocPr"] == 100
    half = gt.select(gt.times < 3)
    missed = teta(gt, half, *CLASSES).summary()
    assert missed["LocRe"] == pytest.approx(50) and missed["LocPr"] == 100


def test_boxes_away_from_any_ground_truth_cost_nothing():
    gt = table(np.random.default_rng(0))
    far = replace(gt, bboxes=gt.bboxes + [5000, 0, 0, 0], tracks=gt.tracks + 100)
    columns = {k: np.concatenate([v, getattr(far, k)]) for k, v in vars(gt).items()}
    assert list(teta(gt, BoxTable(**columns), *CLASSES).summary().values()) == [100] * 10
