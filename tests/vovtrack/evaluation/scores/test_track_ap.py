"""Average precision of tracks against recorded values of the TAO toolkit, and by property."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.benchmarks.tao import open_source
from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.statistics import from_videos
from vovtrack.evaluation.scores.track_ap import (
    COCO_THRESHOLDS,
    THRESHOLDS,
    TRACK_AP,
    TRACK_AP_COCO,
    Federation,
    count_video,
    empty_rows,
)
from vovtrack.formats.faults import InputFaults

NAMES = {"AP": "TrackAP", "AP50": "TrackAP50", "AP75": "TrackAP75", "AR@300": "TrackAR"}
for kind in ("AP", "AR"):
    NAMES |= {f"{kind}|area|{w}|300": f"Track{kind}{w[0]}" for w in ("small", "medium", "large")}
    NAMES |= {f"{kind}|time|{w}|300": f"Track{kind}-{w}" for w in ("short", "medium", "long")}


@pytest.fixture(scope="module")
def source(recorded):
    return open_source(
        recorded("tao_small_gt"), recorded("tao_small_pred"), InputFaults(), track_iou="papers"
    )


def count(source, kind="3d_iou", thresholds=THRESHOLDS, family=TRACK_AP):
    rows = []
    for video in range(len(source.videos)):
        tracks = source.tracks
        first, last = np.searchsorted(tracks.videos, [video, video + 1])
        federation = Federation(
            tracks.areas[first:last], tracks.negative[video], tracks.not_exhaustive[video]
        )
        gt, dt = source.gt.video(video), source.dt.video(video)
        rows.append(count_video(gt, dt, source.category_ids, federation, thresholds, kind))
    empty = empty_rows(len(thresholds))[1]
    return from_videos(family.name, source.videos, source.classes, None, rows, empty)


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["3d_iou", "avg_iou", "imagenetvid", "coco"])
def test_equals_the_tao_toolkit(recorded, source, kind):
    expected = json.loads(recorded(f"taoap_{kind}").read_text())
    if kind == "coco":
        counts, family = count(source, "3d_iou", COCO_THRESHOLDS, TRACK_AP_COCO), TRACK_AP_COCO
    else:
        counts, family = count(source, kind), TRACK_AP
    found = family.summary(counts)["all"]
    for theirs, ours in NAMES.items():
        assert found[ours] == pytest.approx(100 * expected["results"][theirs], abs=1e-9), theirs
    per_class = family.per_class(counts)
    names = dict(zip(source.category_ids.tolist(), source.classes, strict=True))
    assert {int(category) for category in expected["ap_per_class_all"]} == set(names)
    for category, values in expected["ap_per_class_all"].items():
        scores = per_class[names[int(category)]]
        assert scores["TrackAP"] == pytest.approx(100 * np.mean(values), abs=1e-9)
        recall = expected["ar_per_class_all"][category]
        assert scores["TrackAR"] == pytest.approx(100 * np.mean(recall), abs=1e-9)


def test_the_benchmark_reports_both_families(recorded, source):
    report = evaluate("tao", recorded("tao_small_gt"), recorded("tao_small_pred"))
    assert report["summary"]["all"]["TrackAP50"] == pytest.approx(29.07762204791908, abs=1e-9)
    assert report["summary"]["all"]["TETA"] == pytest.approx(44.032, abs=5e-4)
    assert list(report["summary"]) == ["all"]
    two = evaluate("tao", recorded("tao_small_gt"), recorded("tao_small_pred"), shards=2)
    assert two == report


def test_a_weight_of_two_is_the_video_twice(source):
    counts = count(source)
    weights = np.ones(len(source.videos))
    weights[2] = 2
    twice = counts.select(
        np.concatenate([np.arange(len(counts)), np.flatnonzero(counts.video == 2)])
    )
    weighted, doubled = TRACK_AP.summary(counts, weights), TRACK_AP.summary(twice)
    assert weighted["all"] == pytest.approx(doubled["all"], abs=1e-9)


def test_perfect_tracks_score_100_and_track_zero_is_a_track(source):
    tracks = source.gt.tracks - source.gt.tracks.min()
    perfect = replace(source, dt=replace(source.gt, tracks=tracks))
    found = TRACK_AP.summary(count(perfect))["all"]
    assert found["TrackAP"] == pytest.approx(100) and found["TrackAR"] == pytest.approx(100)


def test_tracks_of_one_score_tie_whatever_their_length():
    # The first of the two is right; three times 0.1 is more than 0.3 in floating point.
    frames, ones = np.array([0, 0, 1, 2]), np.ones(4)
    boxes = np.array([[0, 0, 50, 50], *[[200, 0, 50, 50]] * 3], dtype=np.float64)
    dt = BoxTable(0 * frames, frames, np.array([1, 2, 2, 2]), 0 * frames + 1, boxes, 0.1 * ones)
    gt = dt.select(np.array([0]))
    federation = Federation(np.array([2500.0]), frozenset(), frozenset())
    rows = count_video(gt, dt, np.array([1]), federation)
    counts = from_videos(TRACK_AP.name, ["v"], ["c"], None, [rows], empty_rows(2)[1])
    assert TRACK_AP.summary(counts)["all"]["TrackAP"] == pytest.approx(100)


def test_tracks_of_several_categories_are_refused_or_left_out(recorded):
    gt, pred = recorded("tao_edge_gt"), recorded("tao_edge_pred")
    with pytest.raises(InputError, match="track .* several categories; the AP of tracks needs one"):
        evaluate("tao", gt, pred)
    report = evaluate("tao", gt, pred, lenient=True)
    assert any("several categories" in entry["reason"] for entry in report["dropped"])
    assert report["summary"]["all"]["TETA"] == pytest.approx(49.355, abs=5e-4)
    assert 0 <= report["summary"]["all"]["TrackAP"] <= 100


def test_unknown_thresholds(recorded):
    gt, pred = recorded("tao_small_gt"), recorded("tao_small_pred")
    with pytest.raises(InputError, match="track_iou is 'x', expected one of papers, coco"):
        open_source(gt, pred, InputFaults(), track_iou="x")
