"""DAVIS scores against recorded values, by property, and by fault."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.benchmarks.davis import open_source
from vovtrack.evaluation.scores.masks import (
    boundary,
    boundary_accuracy,
    curve_statistics,
    object_curves,
)
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.davis import VOID
from vovtrack.formats.faults import InputFaults


@pytest.fixture(scope="module")
def masks(repo_root):
    """Recorded ground truth and predictions, (2, 10, 96, 128) bool each."""
    content = np.load(repo_root / "tests/data/evaluation/davis_inputs.npz")
    shape = tuple(content["shape"])
    unpacked = (np.unpackbits(content[key])[: np.prod(shape)] for key in ("gt", "pred"))
    return tuple(bits.reshape(shape).astype(bool) for bits in unpacked)


def write(folder, numbers):
    """Write (T, H, W) object numbers as palette PNGs."""
    folder.mkdir(parents=True)
    for t, frame in enumerate(numbers):
        image = Image.fromarray(frame.astype(np.uint8)).convert("P")
        image.putpalette(list(np.random.default_rng(0).integers(0, 256, 768)))
        image.putdata(frame.ravel().tolist())
        image.save(folder / f"{t:05d}.png")


def numbered(objects):
    return (objects * np.arange(1, len(objects) + 1)[:, None, None, None]).max(axis=0)


@pytest.fixture
def folders(masks, tmp_path):
    gt, pred = tmp_path / "DAVIS/Annotations/480p", tmp_path / "pred"
    write(gt / "dog", numbered(masks[0]))
    write(pred / "dog", numbered(masks[1]))
    return tmp_path / "DAVIS", pred


@pytest.mark.golden
def test_equals_the_davis_toolkit(recorded, masks):
    expected = json.loads(recorded("davis").read_text())
    for k, (gt, pred) in enumerate(zip(*masks, strict=True)):
        j, f = object_curves(gt, pred)
        assert np.array_equal(j, expected["J"][k]) and np.array_equal(f, expected["F"][k])
        assert curve_statistics(j) == pytest.approx(expected["stats"][k]["J"], abs=1e-12)
        assert curve_statistics(f) == pytest.approx(expected["stats"][k]["F"], abs=1e-12)


def test_files_give_the_scores_of_the_arrays(masks, folders):
    found = evaluate("davis", *folders)["summary"]["all"]
    gt, pred = (numbered(objects) for objects in masks)
    per_object = [object_curves((gt == k)[1:-1], (pred == k)[1:-1]) for k in (1, 2)]
    j, f = (np.mean([curves[k].mean() for curves in per_object]) for k in (0, 1))
    assert (found["J"], found["F"]) == pytest.approx((100 * j, 100 * f))
    assert found["J&F"] == pytest.approx(50 * (j + f))


def test_perfect_masks_score_100(folders):
    gt, _ = folders
    for task in ("semi-supervised", "unsupervised"):
        found = evaluate("davis", gt, gt, task=task)["summary"]["all"]
        assert found["J&F"] == found["J_recall"] == 100 and found["J_decay"] == 0


def test_unsupervised_does_not_care_for_numbers(masks, folders, tmp_path):
    gt, pred = folders
    reference = evaluate("davis", gt, pred, task="unsupervised")["summary"]
    write(tmp_path / "swapped/dog", numbered(masks[1][::-1]) * (numbered(masks[1]) > 0))
    other = evaluate("davis", gt, tmp_path / "swapped", task="unsupervised")["summary"]
    assert abs(other["all"]["J&F"] - reference["all"]["J&F"]) < 10
    swapped = evaluate("davis", gt, tmp_path / "swapped")["summary"]["all"]["J&F"]
    assert swapped < other["all"]["J&F"] - 20


def test_empty_masks_and_boundaries():
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    square = empty.copy()
    square[2:5, 2:5] = True
    assert boundary_accuracy(empty, empty) == 1 and boundary_accuracy(empty, square) == 0
    assert boundary_accuracy(square, empty) == 0 and boundary_accuracy(square, square) == 1
    assert not boundary(full).any() and boundary(square).sum() == 12
    corner = empty.copy()
    corner[2:5, -1] = True
    corner[-1, 2:4] = True
    # On the last column and row a pixel has only the neighbour below or to the right.
    assert np.flatnonzero(boundary(corner)[:, -1]).tolist() == [1, 4]
    assert np.flatnonzero(boundary(corner)[-1]).tolist() == [1, 3]


def test_what_lies_in_the_void_is_not_judged(masks, tmp_path):
    gt, pred = (numbered(objects) for objects in masks)
    assert not gt[:, :8, :8].any()
    gt[:, :8, :8] = VOID
    write(tmp_path / "gt/dog", gt)
    write(tmp_path / "pred/dog", pred)
    pred[:, :8, :8] = 3
    write(tmp_path / "more/dog", pred)
    scores = [
        evaluate("davis", tmp_path / "gt", tmp_path / name, task="unsupervised")["summary"]
        for name in ("pred", "more")
    ]
    assert scores[0] == scores[1]


def test_the_protocol_and_the_counts_of_no_sequence(folders):
    source = open_source(*folders, InputFaults(), task="unsupervised", max_proposals=7)
    known = {
        "annotations": str(folders[0]),
        "annotations_sha256": tree_sha256(folders[0]),
        "predictions": str(folders[1]),
        "predictions_sha256": tree_sha256(folders[1]),
        "videos": 1,
        "task": "unsupervised",
    }
    assert source.protocol.items() >= known.items() and source.sizes.tolist() == [10]
    columns, nothing = (source.count(0, k)["davis"].columns for k in (1, 0))
    for name, column in columns.items():
        assert nothing[name].dtype == column.dtype and len(nothing[name]) == 0


FAULTS = [
    (lambda p: shutil.rmtree(p / "dog"), "found no <sequence>/<frame>.png"),
    (lambda p: (p / "dog").rename(p / "cat"), "cat: the ground truth has no such sequence"),
    (lambda p: (p / "dog/00003.png").unlink(), "'dog' lacks 1 frames, first 00003"),
    (lambda p: (p / "dog/00003.png").write_bytes(b"PNG"), "00003.png: damaged, or not a PNG"),
    (lambda p: write(p / "x", np.zeros((1, 4, 4))), "x: the ground truth has no such sequence"),
    (
        lambda p: Image.new("P", (4, 4)).save(p / "dog/00003.png"),
        "'dog/00003.png' has 4x4 pixels, its ground truth 128x96",
    ),
    (
        lambda p: Image.new("RGB", (128, 96)).save(p / "dog/00003.png"),
        "a PNG of mode RGB; expected a palette",
    ),
    (
        lambda p: Image.fromarray(np.full((96, 128), 9, np.uint8)).save(p / "dog/00003.png"),
        "'dog' has object 9; the ground truth has 1, 2",
    ),
]


@pytest.mark.parametrize(("change", "reason"), FAULTS)
def test_faulty_masks_are_named(folders, change, reason):
    gt, pred = folders
    change(pred)
    with pytest.raises(InputError, match=reason):
        evaluate("davis", gt, pred)


def test_unknown_task(folders):
    with pytest.raises(InputError, match="task is 'x', expected one of semi-supervised"):
        evaluate("davis", *folders, task="x")
