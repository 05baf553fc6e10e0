"""Scores of single objects as the original analysis gives them."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation.scores.long_term import presence_curve, target_overlaps
from vovtrack.evaluation.scores.masks import curve_statistics, region_similarity
from vovtrack.evaluation.scores.single_object import PRESETS, FrameErrors, frame_errors
from vovtrack.formats.polygons import enclosing_rectangle, equal_area_rectangle


def column(values) -> np.ndarray:
    """Numbers, of which some are text because JSON does not know them."""
    return np.array(values, dtype=np.float64)


@pytest.fixture(scope="module")
def evaluation(recorded):
    return recorded.json("evaluation_extra.json")


def errors_of(case) -> FrameErrors:
    gt = column(case["gt"])
    visible = np.ones(len(gt), bool) if case["visible"] is None else np.array(case["visible"])
    return frame_errors(column(case["pred"]), gt, visible, PRESETS[case["dataset"]])


def test_frame_errors(evaluation):
    compared = 0
    for case in evaluation["frame_errors"]:
        if "error" in case:
            with pytest.raises(InputError, match="negative size|is NaN|expected one per frame"):
                errors_of(case)
            continue
        found = errors_of(case)
        for values, name in zip(found, ("overlap", "center", "center_norm", "valid"), strict=True):
            assert values == pytest.approx(column(case[name]), abs=1e-9), (case["kind"], name)
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("period", [1, 5])
def test_precision_recall_and_f1_of_the_presence(evaluation, period):
    content = evaluation["precision_recall_f1"]
    overlaps, targets, scores = [], [], []
    for k, sequence in enumerate(content["sequences"]):
        gt, pred = column(sequence["gt"]), column(sequence["pred"])
        found = target_overlaps(pred, gt, np.array(sequence["visible"]), first_is_given=k == 0)
        for values, part in zip(
            (overlaps, targets, scores), (*found, column(sequence["score"])), strict=True
        ):
            values.append(part[::period])
    curve = presence_curve(*map(np.concatenate, (overlaps, scores, targets)))
    expected = content if period == 1 else evaluation["precision_recall_f1_period5"]
    assert curve.f1 == pytest.approx(expected["f1_max"], abs=1e-9)
    assert curve.threshold == pytest.approx(expected["threshold"], abs=1e-9)
    assert curve.best == expected["index"]
    if period == 1:
        assert curve.precision == pytest.approx(column(expected["precision"]), abs=1e-9)
        assert curve.recall == pytest.approx(column(expected["recall"]), abs=1e-9)


def test_rectangles_of_polygons(evaluation):
    for case in evaluation["polygons"]:
        corners = column(case["polygon"])
        for made, name in ((equal_area_rectangle, "preserve_area"), (enclosing_rectangle, "union")):
            assert made(corners) == pytest.approx(column(case[name]), abs=1e-9)


def test_statistics_of_masks_over_time(evaluation):
    for case in evaluation["vos_statistics"]:
        values = column(case["values"])
        expected = column([case[name] for name in ("mean", "recall", "decay")])
        found = curve_statistics(values, eight_bits=True)
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
        assert np.nanstd(values) == pytest.approx(case["std"], abs=1e-9)
        if np.isfinite(values).sum() > 256:
            assert np.isfinite(curve_statistics(values)).all()


def test_region_similarity(evaluation):
    for case in evaluation["jaccard"]:
        masks = (np.array(case[name], dtype=bool) for name in ("a", "b"))
        assert region_similarity(*masks) == pytest.approx(case["jaccard"], abs=1e-12)
