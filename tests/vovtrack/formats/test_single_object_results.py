"""Result files of single-object trackers: written as published ones are, and read again."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.single_object import read_ground_truth
from vovtrack.formats.single_object_results import (
    read_predictions,
    write_got10k,
    write_predictions,
    write_trackingnet,
)

BOXES = np.array([[10.0, 20.0, 30.0, 40.0], [11.75, 20.5, 30.25, 40.125], [12.9, 21.9, 29.9, 39.9]])
TIMES = np.array([0.5, 0.25, 0.125])


@pytest.fixture
def truth(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "gt" / name).mkdir(parents=True)
        rows = "".join(",".join(map(str, row)) + "\n" for row in BOXES.tolist())
        (tmp_path / "gt" / name / "groundtruth.txt").write_text(rows)
    return read_ground_truth(tmp_path / "gt")


def read(path, truth):
    return read_predictions(path, truth, InputFaults())


def test_whole_numbers_stand_between_tabs_and_fractions_between_commas(tmp_path, truth):
    for whole, text in ((True, "10\t20\t30\t40\n11\t20\t30\t40"), (False, "10.000000,20.000000")):
        folder = tmp_path / str(whole)
        for name in ("a", "b"):
            write_predictions(folder, name, BOXES, TIMES, presence=TIMES, whole=whole)
        assert (folder / "a.txt").read_text().startswith(text)
        assert (folder / "a_time.txt").read_text().split() == ["0.500000", "0.250000", "0.125000"]
        (boxes, other) = read(folder, truth)[""]
        assert (boxes == (np.trunc(BOXES) if whole else BOXES)).all() and len(other) == 3


def test_the_folders_of_got10k(tmp_path, truth):
    for name in ("a", "b"):
        write_got10k(tmp_path / "out", name, [BOXES, BOXES + 1, BOXES + 2], [TIMES] * 3)
    runs = read(tmp_path / "out", truth)
    assert list(runs) == ["001", "002", "003"]
    assert (runs["002"][0] == BOXES + 1).all()
    assert (tmp_path / "out/a/a_time.txt").read_text().startswith("0.500000,0.500000,0.500000\n")


def test_the_archive_of_trackingnet(tmp_path, truth):
    write_trackingnet(tmp_path / "out.zip", {"a": BOXES, "b": BOXES})
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["a.txt", "b.txt"]
    write_trackingnet(tmp_path / "again.zip", {"b": BOXES, "a": BOXES})
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "out.zip").read_bytes()
    assert read(tmp_path / "out.zip", truth)[""][0] == pytest.approx(BOXES, abs=0.006)


def test_runs_of_a_tracker_are_averaged_and_listed(tmp_path, truth):
    shifts = {"dimp_000": 0.0, "dimp_001": 4.0, "dimp_002": 12.0}
    for run, shift in shifts.items():
        for name in ("a", "b"):
            write_predictions(tmp_path / "runs" / run, name, BOXES + [shift, 0, 0, 0], whole=False)
    report = evaluate("sot", tmp_path / "gt", tmp_path / "runs")
    alone = {
        run: evaluate("sot", tmp_path / "gt", tmp_path / "runs" / run)["summary"]["all"]
        for run in shifts
    }
    assert report["protocol"]["runs"] == list(shifts) == list(report["per_run"])
    for metric in ("AUC", "Precision", "NormPrecision"):
        values = [scores[metric] for scores in alone.values()]
        assert [scores[metric] for scores in report["per_run"].values()] == pytest.approx(values)
        assert report["summary"]["all"][metric] == pytest.approx(np.mean(values))
    for metric in ("AO", "SR50", "SR75"):
        values = [scores[metric] for scores in alone.values()]
        assert report["summary"]["all"][metric] == pytest.approx(np.mean(values))


def test_missing_rows_and_sequences_are_named(tmp_path, truth):
    for run in ("r_000", "r_001"):
        for name in ("a", "b"):
            write_predictions(tmp_path / "out" / run, name, BOXES)
    (tmp_path / "out/r_001/b.txt").write_text("1\t2\t3\t4\n")
    with pytest.raises(InputError, match="r_001/b.txt: b: 1 rows for 3 frames; expected one per"):
        read(tmp_path / "out", truth)
    (tmp_path / "out/r_001/b.txt").unlink()
    with pytest.raises(InputError, match="b.txt: the predictions are missing"):
        read(tmp_path / "out", truth)
    (tmp_path / "out/r_001/b.txt").write_text("1,2,3,4,5,6,7,8\n" * 3)
    with pytest.raises(InputError, match="line 1: 8 numbers; expected x, y, w, h"):
        read(tmp_path / "out", truth)
