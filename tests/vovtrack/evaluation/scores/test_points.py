"""TAP-Vid against recorded values, by property, and by fault."""

from __future__ import annotations

import json
import os
import pickle

import hostile
import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.scores.points import count_points, scores
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.tapvid import read_truth
from vovtrack.structures.points import sample_queries

NAMES = {"occlusion_accuracy": "OA", "average_jaccard": "AJ"}
NAMES |= {"average_pts_within_thresh": "delta_avg"}
KEYS = ("query_points", "gt_occluded", "gt_tracks", "pred_occluded", "pred_tracks")


@pytest.mark.golden
@pytest.mark.parametrize("mode", ["first", "strided"])
def test_equals_the_published_function(recorded, repo_root, mode):
    inputs = np.load(repo_root / "tests/data/evaluation/tapvid_inputs.npz")
    expected = json.loads(recorded("tapvid").read_text())
    for video in range(3):
        counts = count_points(*(inputs[key][video] for key in KEYS), mode=mode)
        summed = scores({key: value.sum(axis=0) for key, value in counts.items()})
        single = scores(counts)
        for theirs, value in expected[mode].items():
            assert summed[NAMES.get(theirs, theirs)] == value[video], theirs
        for theirs, value in expected[f"{mode}_trackwise"].items():
            found = single[NAMES.get(theirs, theirs)]
            assert np.array_equal(found, np.array(value[video], dtype=float), equal_nan=True)


def make(rng, points=6, frames=17):
    occluded = rng.random((points, frames)) < 0.3
    occluded[0] = True  # never visible: no query
    return rng.uniform(0, 1, (points, frames, 2)), occluded


def test_queries_are_at_visible_points():
    tracks, occluded = make(np.random.default_rng(0))
    for mode in ("first", "strided"):
        queries, points = sample_queries(tracks, occluded, mode)
        times = queries[:, 0].astype(int)
        assert not occluded[points, times].any() and 0 not in points
        assert np.array_equal(queries[:, 1:], tracks[points, times][:, ::-1])
        if mode == "first":
            assert all(occluded[p, :t].all() for p, t in zip(points, times, strict=True))
        else:
            assert not (times % 5).any() and len(points) == (~occluded[:, ::5]).sum()


@pytest.fixture
def files(tmp_path):
    """Ground truth and perfect predictions of two videos."""
    rng = np.random.default_rng(1)
    truth, found = {}, {}
    for name in ("davis/dog", "cat"):
        points, occluded = make(rng)
        truth |= {f"{name}/points": points, f"{name}/occluded": occluded}
        _, chosen = sample_queries(points, occluded, "first")
        found |= {f"{name}/tracks": points[chosen] * 256, f"{name}/occluded": occluded[chosen]}
    np.savez(tmp_path / "gt.npz", **truth)
    np.savez(tmp_path / "pred.npz", **found)
    return tmp_path / "gt.npz", tmp_path / "pred.npz", truth, found


def test_perfect_points_score_100_at_any_resolution(files, tmp_path):
    gt, pred, truth, found = files
    report = evaluate("tapvid", gt, pred)
    assert set(report["summary"]["all"].values()) == {100.0} and len(report["per_video"]) == 2
    found["cat/tracks"] = found["cat/tracks"] / 256 * [640, 480]
    found["cat/size"] = np.array([640, 480])
    np.savez(pred, **found)
    assert evaluate("tapvid", gt, pred)["summary"]["all"]["AJ"] == pytest.approx(100)


def test_the_protocol_says_what_was_evaluated(files):
    gt, pred, *_ = files
    assert (
        evaluate("tapvid", gt, pred)["protocol"].items()
        >= {
            "annotations": str(gt),
            "annotations_sha256": tree_sha256(gt),
            "predictions": str(pred),
            "predictions_sha256": tree_sha256(pred),
            "videos": 2,
            "mode": "first",
            "raster": 256,
            "thresholds": [1, 2, 4, 8, 16],
        }.items()
    )


def test_each_score_sees_its_own_mistake(files):
    gt, pred, truth, found = files
    np.savez(pred, **{k: v + 3 * k.endswith("tracks") for k, v in found.items()})
    shifted = evaluate("tapvid", gt, pred)["summary"]["all"]
    assert shifted["OA"] == 100 and shifted["delta_avg"] == pytest.approx(40)
    np.savez(pred, **{k: ~v if k.endswith("occluded") else v for k, v in found.items()})
    hidden = evaluate("tapvid", gt, pred)["summary"]["all"]
    assert (hidden["OA"], hidden["AJ"], hidden["delta_avg"]) == (0, 0, 100)


def test_official_pickles_are_read_without_running_them(files, tmp_path):
    gt, pred, truth, _ = files
    content = {
        name: {
            "points": truth[f"{name}/points"],
            "occluded": truth[f"{name}/occluded"],
            "video": np.zeros((3, 2, 2, 3), np.uint8),
        }
        for name in ("davis/dog", "cat")
    }
    reference = evaluate("tapvid", gt, pred)["summary"]
    for protocol in (2, 4, 5):
        official = tmp_path / f"{protocol}.pkl"
        official.write_bytes(pickle.dumps(content, protocol=protocol))
        assert evaluate("tapvid", official, pred)["summary"] == reference


class Evil:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def test_hostile_pickles_run_nothing(tmp_path):
    canary = tmp_path / "canary"
    path = tmp_path / "evil.pkl"
    for payload in (Evil(canary), {"cat": {"points": Evil(canary)}}, np.array([Evil(canary)])):
        path.write_bytes(pickle.dumps(payload))
        with pytest.raises(InputError, match=r"evil\.pkl: refused"):
            read_truth(path)
    path.write_bytes(pickle.dumps(np.array([{}], dtype=object)))
    with pytest.raises(InputError, match="refused"):
        read_truth(path)
    assert not canary.exists()


def test_a_small_pickle_that_multiplies_is_refused(tmp_path):
    nest: list = [0]
    for _ in range(64):
        nest = [nest, nest]
    (tmp_path / "nest.pkl").write_bytes(pickle.dumps({"v": nest}))
    with pytest.raises(InputError, match="several places"):
        read_truth(tmp_path / "nest.pkl")
    (tmp_path / "keys.pkl").write_bytes(hostile.colliding(60_000))
    with pytest.raises(InputError, match="keys that are not texts"):
        read_truth(tmp_path / "keys.pkl")


def test_any_damage_to_a_pickle_ends_in_a_sentence(tmp_path):
    whole = pickle.dumps({"v": {"points": np.zeros((1, 2, 2)), "occluded": np.zeros((1, 2), bool)}})
    path = tmp_path / "gt.pkl"
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_truth(path)
        except InputError as error:
            assert str(path) in str(error)


FAULTS = [
    (lambda t, f: f.pop("cat/occluded"), "pred.npz: video 'cat' has no 'occluded'"),
    (lambda t, f: t.pop("cat/points"), "gt.npz: video 'cat' has no 'points'"),
    (lambda t, f: t.update({"cat/points": np.zeros((2, 3))}), "an array of numbers with 3 axes"),
    (lambda t, f: t.update({"cat/points": np.zeros((2, 3, 2))}), r"must be \(N, T, 2\)"),
    (lambda t, f: t["cat/points"].fill(np.nan), "a visible point is not finite"),
    (lambda t, f: f["cat/tracks"].fill(np.inf), "holds a number that is not finite"),
    (lambda t, f: f.update({"cat/size": np.array([0, 1])}), "'size' must be"),
    (lambda t, f: f.update({"size": np.array([1, 1])}), "must be named <video>/size"),
    (lambda t, f: f.update({k: v[1:] for k, v in f.items()}), "mode 'first' asks for"),
    (lambda t, f: [f.pop(k) for k in list(f) if "dog" in k], "'davis/dog': its predictions are"),
    (lambda t, f: [t.pop(k) for k in list(t) if "dog" in k], "'davis/dog': the ground truth has"),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS)
def test_faulty_files_are_named(files, change, reason):
    gt, pred, truth, found = files
    change(truth, found)
    np.savez(gt, **truth)
    np.savez(pred, **found)
    with pytest.raises(InputError, match=reason):
        evaluate("tapvid", gt, pred)


def test_other_faults(files):
    gt, pred, _, _ = files
    with pytest.raises(InputError, match="mode is 'last', expected one of first, strided"):
        evaluate("tapvid", gt, pred, mode="last")
    gt.write_bytes(gt.read_bytes()[:100])
    with pytest.raises(InputError, match=r"gt\.npz: damaged, or not an \.npz file"):
        evaluate("tapvid", gt, pred)
