"""Expected average overlap, accuracy and robustness: by hand, against a plain form, by fault."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.reports.report import join_shards
from vovtrack.evaluation.scores.vot import (
    accuracy,
    average_overlaps,
    count_run,
    expected_average_overlap,
    find_fragments,
)
from vovtrack.formats.vot import FAILURE, REGION, START, UNKNOWN

SIDE = 10.0
HELD = ["1", 0.8, 0.6, 0.4, 0.2, 0.0]
"""Codes and overlaps of a run that does not fail: Phi(1) to Phi(5) are 0.8, 0.7, 0.6, 0.5, 0.4."""
LOST = ["1", 0.5, "2", "0", "1", 0.9, 0.9]
"""One that fails once: Phi is 0.5, 0.25, 0.5 / 3, ...; then 0.9, 0.9 and no more."""
EAO = ((0.8 + 0.5 + 0.9) / 3 + (0.7 + 0.25 + 0.9) / 3 + (0.6 + 0.5 / 3) / 2) / 3
"""Of both, over lengths 1 to 3."""


def arrays(run):
    codes = [int(step) if isinstance(step, str) else REGION for step in run]
    overlaps = [0.0 if isinstance(step, str) else step for step in run]
    return np.array(codes), np.array(overlaps)


def eao(runs, interval) -> float:
    rows = [count_run(*arrays(run), interval) for run in runs]
    sums = [sum(row[name] for row in rows) for name in ("phi", "counted", "reached")]
    return float(expected_average_overlap(*sums)[0])


def row_of(step) -> str:
    """A box that covers the share ``step`` of the target, a square at the origin."""
    return step if isinstance(step, str) else f"0,0,{SIDE},{SIDE * step}"


def write(folder, runs, repetitions=1, truth=f"0,0,{SIDE},{SIDE}"):
    for name, run in runs.items():
        (folder / "gt" / name).mkdir(parents=True, exist_ok=True)
        (folder / "gt" / name / "groundtruth.txt").write_text(f"{truth}\n" * len(run))
        (folder / "pred" / name).mkdir(parents=True, exist_ok=True)
        text = "\n".join(map(row_of, run))
        for number in range(1, repetitions + 1):
            (folder / "pred" / name / f"{name}_{number:03d}.txt").write_text(text)
    return folder / "gt", folder / "pred"


def plain_eao(runs, low: int, high: int) -> float:
    """The definition, word by word."""
    fragments = []
    for codes, overlaps in runs:
        start = 0
        for t, code in enumerate(codes):
            if code == START:
                start = t
            elif code == FAILURE:
                fragments.append((list(overlaps[start:t]), True))
        if FAILURE not in codes[start:]:
            fragments.append((list(overlaps[start:]), False))
    longest = max(len(values) for values, _ in fragments)
    curve = []
    for n in range(low, min(high, longest - 1) + 1):
        padded = [v + [0] * longest for v, failed in fragments if failed or len(v) > n]
        curve.append(np.mean([np.mean(v[1 : n + 1]) for v in padded]))
    return float(np.mean(curve))


def drawn(generator, frames):
    """A run of random overlaps that fails now and then and is started five frames later."""
    codes, overlaps = np.full(frames, REGION), generator.uniform(0, 1, frames)
    codes[0], t = START, 0
    while (t := t + int(generator.integers(1, 40))) + 6 < frames:
        codes[t], codes[t + 1 : t + 5], codes[t + 5] = FAILURE, UNKNOWN, START
        t += 5
    return codes, np.where(codes == REGION, overlaps, 0)


def test_by_hand():
    assert eao([HELD], (1, 5)) == pytest.approx(0.6)
    assert eao([HELD, LOST], (1, 3)) == pytest.approx(EAO)
    fragments = find_fragments(arrays(LOST)[0])
    assert fragments.start.tolist() == [0, 4] and fragments.stop.tolist() == [2, 7]
    phi, counted = average_overlaps(arrays(LOST)[1], fragments, np.array([1, 2, 3]))
    assert phi[0] == pytest.approx([0.5, 0.25, 0.5 / 3]) and phi[1, :2] == pytest.approx([0.9] * 2)
    assert counted.tolist() == [[True] * 3, [True, True, False]]


def test_lengths_that_no_fragment_reaches_are_left_out():
    assert eao([HELD, LOST], (1, 5)) == eao([HELD, LOST], (1, 500))
    assert np.isnan(eao([HELD, LOST], (6, 9)))


def test_equals_the_plain_form():
    generator = np.random.default_rng(3)
    runs = [drawn(generator, int(frames)) for frames in generator.integers(20, 120, 12)]
    rows = [count_run(*run, (5, 60)) for run in runs]
    sums = [sum(row[name] for row in rows) for name in ("phi", "counted", "reached")]
    assert expected_average_overlap(*sums)[0] == pytest.approx(plain_eao(runs, 5, 60))


def test_a_failure_costs_and_the_tracker_that_is_right_has_all():
    assert eao([["1", *[1.0] * 20]], (1, 20)) == pytest.approx(1)
    assert eao([["1", "2", "0"]] + [["1", *[1.0] * 20]], (1, 20)) == pytest.approx(0.5)


def test_accuracy_leaves_out_the_burn_in_of_every_start():
    run = ["1", *[0.1] * 9, 0.6, 0.8, "2", "0", "1", *[0.1] * 9, 1.0, "0"]
    assert accuracy(*arrays(run)) == pytest.approx(0.8)
    assert accuracy(*arrays(run), burn_in=1) == pytest.approx((18 * 0.1 + 0.6 + 0.8 + 1) / 21)
    assert accuracy(*arrays(LOST)) == 0


def test_files_become_scores(tmp_path):
    gt, pred = write(tmp_path, {"a": HELD, "b": LOST, "c": ["1", *[0.5] * 12]})
    report = evaluate("vot", gt, pred, interval="1-3")
    found = report["summary"]["all"]
    assert found["EAO"] == pytest.approx(100 * eao([HELD, LOST, ["1", *[0.5] * 12]], (1, 3)))
    assert found["Robustness"] == pytest.approx(100 * 1 / 26)
    assert found["Accuracy"] == pytest.approx(100 * 0.5 * 13 / 26)  # weighted by frames
    assert report["per_video"]["a"]["EAO"] == pytest.approx(70)
    assert report["protocol"]["interval"] == [1, 3] and report["headline"][0] == "EAO"


def test_short_sequences_have_no_eao_but_the_rest(tmp_path):
    found = evaluate("vot", *write(tmp_path, {"a": LOST}))["summary"]["all"]
    assert found["EAO"] is None and found["Robustness"] == pytest.approx(100 / 7)


def test_rotated_truth_is_not_made_upright(tmp_path):
    # The upright box lies in a diamond of twice its area.
    diamond = "5,-5,15,5,5,15,-5,5"
    gt, pred = write(tmp_path, {"a": ["1", *[1.0] * 5]}, truth=diamond)
    report = evaluate("vot", gt, pred, interval="1-5")
    assert report["summary"]["all"]["EAO"] == pytest.approx(50)


def test_images_bound_the_regions(tmp_path):
    import cv2

    # The target lies half outside on the left; the tracker gives what is seen of it.
    gt, pred = write(tmp_path, {"a": ["1", *[1.0] * 5]}, truth=f"{-SIDE},0,{2 * SIDE},{SIDE}")
    assert evaluate("vot", gt, pred, interval="1-5")["summary"]["all"]["EAO"] == pytest.approx(50)
    for k in range(6):
        cv2.imwrite(str(gt / "a" / f"{k + 1:08d}.jpg"), np.zeros((40, 60, 3), np.uint8))
    report = evaluate("vot", gt, pred, interval="1-5")
    assert report["summary"]["all"]["EAO"] == pytest.approx(100)
    assert report["protocol"]["cut_at_the_image"] == 1


def test_repetitions_are_pooled_and_shards_join(tmp_path):
    runs = {"a": HELD, "b": LOST}
    once = evaluate("vot", *write(tmp_path, runs), interval="1-3")["summary"]
    paths = write(tmp_path, runs, repetitions=3)
    report = evaluate("vot", *paths, interval="1-3")
    assert report["protocol"]["repetitions"] == ["001", "002", "003"]
    assert report["summary"]["all"] == pytest.approx(once["all"])
    shards = [evaluate("vot", *paths, interval="1-3", shards=2, shard=k) for k in (0, 1)]
    assert join_shards(shards, ["0", "1"])["summary"] == report["summary"]


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ([0.5, 0.5], "row 1 is not a start"),
        (["1", 0.5, "1", 0.5], "row 3 is 1; starts"),
        (["1", "2", "2"], "row 3 is 2; starts"),
        (["1", "2", 0.5], "row 3 is a region after a failure"),
        (["1", "7"], "line 2: '7' is not x, y, w, h"),
        (["1", "nan,1,2,3"], "line 2: a number is not finite"),
    ],
)
def test_results_that_are_none_are_refused(tmp_path, run, reason):
    with pytest.raises(InputError, match=reason):
        evaluate("vot", *write(tmp_path, {"a": run}))


def test_missing_and_short_results_are_refused_or_left_out(tmp_path):
    gt, pred = write(tmp_path, {"a": HELD, "b": LOST})
    whole = evaluate("vot", gt, pred, interval="1-3")["per_video"]["a"]
    (pred / "b" / "b_001.txt").write_text("1\n0,0,1,1\n")
    with pytest.raises(InputError, match="2 rows for 7 frames"):
        evaluate("vot", gt, pred)
    (pred / "b" / "b_001.txt").unlink()
    with pytest.raises(InputError, match="the results are missing"):
        evaluate("vot", gt, pred)
    report = evaluate("vot", gt, pred, lenient=True, interval="1-3")
    assert report["summary"]["all"] == whole and report["per_video"]["b"] is None
    assert len(report["dropped"]) == 1


@pytest.mark.parametrize("interval", ["3", "0-5", "5-3", "a-b"])
def test_an_interval_that_is_not_one_is_refused(tmp_path, interval):
    with pytest.raises(InputError, match="expected two lengths in frames"):
        evaluate("vot", *write(tmp_path, {"a": HELD}), interval=interval)


def test_one_pass_evaluation_points_to_this_benchmark(tmp_path):
    with pytest.raises(InputError, match="scored by the benchmark vot"):
        evaluate("sot", *write(tmp_path, {"a": HELD}))
