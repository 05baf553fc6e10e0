from __future__ import annotations

import hashlib
import json

import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation.tables import markdown_table, summary_rows, text_table
from vovtrack.evaluation.tao import evaluate_tao


@pytest.fixture
def files(recorded, tmp_path):
    """Annotations, and a function that writes changed predictions."""
    rows = json.loads(recorded("tao_small_pred").read_text())

    def changed(**values):
        rows[3].update(values)
        path = tmp_path / "pred.json"
        path.write_text(json.dumps(rows))
        return path

    return recorded("tao_small_gt"), changed, rows


def test_protocol_says_what_was_evaluated(files):
    gt, changed, _ = files
    result = evaluate_tao(gt, changed())
    protocol = result["protocol"]
    assert protocol["annotations_sha256"] == hashlib.sha256(gt.read_bytes()).hexdigest()
    assert protocol["classes"] == 1203
    assert protocol["classes_evaluated"] == {"all": 11, "base": 11, "novel": 0}
    assert len(result["per_class"]) == 11 and result["summary"]["novel"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_id": 10**9}, "its image is not in the annotations"),
        ({"video_id": 2}, "its image belongs to another video"),
        ({"category_id": 5000}, "category 5000, .* its category is not in the annotations"),
    ],
)
def test_foreign_predictions_are_refused(files, change, reason):
    gt, changed, _ = files
    with pytest.raises(InputError, match=rf"pred\.json: result 3 .*{reason}"):
        evaluate_tao(gt, changed(**change))


def test_a_track_twice_in_one_image_is_refused(files):
    gt, changed, rows = files
    assert rows[3]["image_id"] == rows[2]["image_id"]
    with pytest.raises(InputError, match="result 3 .* its track already has a box in this image"):
        evaluate_tao(gt, changed(track_id=rows[2]["track_id"]))


def test_not_a_number_as_score_is_refused(files):
    gt, changed, _ = files
    with pytest.raises(InputError, match=r"pred\.json: key 'score' of result 3 \(image 1, video 1"):
        evaluate_tao(gt, changed(score=float("nan")))


def test_tables(recorded):
    result = evaluate_tao(recorded("tao_small_gt"), recorded("tao_small_pred"))
    header, rows = summary_rows(result)
    assert header[:3] == ["classes", "n", "TETA"] and rows[0][:3] == ["all", "11", "44.032"]
    assert rows[2] == ["novel", "0"] + ["-"] * 10
    lines = text_table(header, rows).splitlines()
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1
    lines = markdown_table(header, rows).splitlines()
    assert lines[2].startswith("| all     | 11 | 44.032 |") and lines[1].count(":") == 11
