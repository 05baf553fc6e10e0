"""The large box sets that evaluation is measured with."""

from __future__ import annotations

import json

import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.synthetic.boxes_only import write_boxes


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    return {n: (folder / str(n), write_boxes(folder / str(n), n)) for n in (3, 8)}


def test_statistics_are_those_of_tao(sets):
    _, counts = sets[8]
    assert counts["images"] == 8 * 36
    assert 50 < counts["predictions"] / counts["images"] < 100
    assert 1 < counts["annotations"] / counts["images"] < 6


def test_a_small_set_is_the_beginning_of_a_larger_one(sets):
    small, large = (json.loads((sets[n][0] / "pred.json").read_text()) for n in (3, 8))
    keys = ("image_id", "category_id", "bbox", "score")
    assert [[r[k] for k in keys] for r in small] == [[r[k] for k in keys] for r in large][
        : len(small)
    ]


def test_the_files_are_valid_and_score_neither_nothing_nor_everything(sets):
    folder, _ = sets[8]
    read_annotations(folder / "gt.json")
    scores = evaluate("tao-ov", folder / "gt.json", folder / "pred.json")["summary"]["all"]
    assert all(10 < scores[name] < 90 for name in ("TETA", "LocA", "AssocA", "ClsA"))


def test_existing_files_are_kept(sets):
    with pytest.raises(InputError, match="already there"):
        write_boxes(sets[3][0], 3)
    with pytest.raises(InputError, match="at least 1"):
        write_boxes(sets[3][0] / "other", 0)
