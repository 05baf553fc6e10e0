"""The command of the guide on single objects: curves, attributes, several trackers."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from vovtrack.cli.main import main
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.reports.report import read_report
from vovtrack.files.images import read_image

BOX, NEAR, FAR = "10,10,20,20\n", "14,10,20,20\n", "90,90,20,20\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three sequences of OTB with attributes, and the results of two trackers."""
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate("abc"):
        place = tmp_path / "sequences" / name
        place.mkdir(parents=True)
        (place / "groundtruth_rect.txt").write_text(BOX * 4)
        att = tmp_path / "sequences/anno/att"
        att.mkdir(parents=True, exist_ok=True)
        (att / f"{name}.txt").write_text(f"1,0,0,{int(k == 2)},0,0,0,0,0,0,0\n")
        for tracker, rows in (("results", BOX + NEAR * 3), ("worse", BOX + NEAR + FAR * 2)):
            (tmp_path / tracker).mkdir(exist_ok=True)
            (tmp_path / tracker / f"{name}.txt").write_text(BOX * 4 if k == 2 else rows)
    return tmp_path


def test_the_command_of_the_guide(folder, repo_root, capsys):
    guide = (repo_root / "docs/evaluation.md").read_text()
    (command,) = re.findall(r"^vovtrack (evaluate --benchmark sot .*)$", guide, flags=re.MULTILINE)
    assert main(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    assert "attribute" in printed and "OCC" in printed
    for metric in ("AUC", "Precision", "NormPrecision"):
        assert read_image(folder / f"plots/{metric}.png").std() > 1
    report = read_report(folder / "sot.json")
    assert report["per_attribute"]["IV"]["sequences"] == 3
    assert report["per_attribute"]["OCC"]["AUC"] == report["per_video"]["c"]["AUC"]
    assert [curve["metric"] for curve in report["curves"]] == report["headline"]
    success = report["curves"][0]
    assert sum(success["values"]) / 21 == pytest.approx(report["summary"]["all"]["AUC"])
    assert '"curves"' in (folder / "sot.html").read_text()


def test_several_trackers_stand_side_by_side(folder, capsys):
    words = "evaluate --benchmark sot --gt sequences results worse --resamples 20"
    assert main([*words.split(), "--out", "both.json", "--plots", "plots"]) == 0
    entries = json.loads((folder / "both.json").read_text())["comparison"]["groups"]["all"]["AUC"]
    assert entries[1]["difference"] < 0 and entries[1]["low"] <= entries[1]["high"] <= 0
    assert "worse" in capsys.readouterr().out


def test_shards_keep_curves_and_attributes(folder):
    whole = evaluate("sot", "sequences", "worse")
    assert evaluate("sot", "sequences", "worse", shards=2) == whole
    assert list(whole["per_attribute"]) == ["IV", "OCC"]


def test_chosen_sequences_are_evaluated(folder):
    (folder / "list.txt").write_text("c\n")
    for name in "ab":
        (folder / "results" / f"{name}.txt").unlink()
    report = evaluate("sot", "sequences", "results", names="list.txt")
    assert list(report["per_video"]) == ["c"]


def test_reports_of_other_presets_are_not_compared(folder, capsys):
    for preset in ("otb", "uav"):
        words = "evaluate --benchmark sot --gt sequences --pred results --option"
        assert main([*words.split(), f"preset={preset}", "--out", f"{preset}.json"]) == 0
    assert main(["evaluate", "otb.json", "uav.json"]) == 2
    assert "differ in 'preset'" in capsys.readouterr().err


def test_what_has_no_curves_is_not_drawn(repo_root, tmp_path, capsys):
    folder = repo_root / "tests/data/evaluation"
    files = [str(folder / f"tao_edge_{name}.json.gz") for name in ("gt", "pred")]
    words = ["evaluate", "--gt", files[0], "--pred", files[1], "--plots", str(tmp_path / "p")]
    assert main(words) == 2
    assert "(tao-ov) has no scores over thresholds" in capsys.readouterr().err
