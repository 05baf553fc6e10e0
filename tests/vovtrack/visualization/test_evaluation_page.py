"""The page of an evaluation: complete, harmless, and readable as HTML."""

from __future__ import annotations

import csv
from html.parser import HTMLParser

import numpy as np
import pytest

from vovtrack.evaluation import compare, evaluate
from vovtrack.evaluation.csv_tables import write_csv
from vovtrack.visualization.evaluation_page import evaluation_page, worst_videos, write_page

VOID = {"meta", "br", "input"}


class Reader(HTMLParser):
    """Checks that tags close in order and collects what tests ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.ids, self.links, self.text, self.tags = [], set(), [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            assert attrs["id"] not in self.ids
            self.ids.add(attrs["id"])
        self.links += [attrs["href"]] if "href" in attrs else []

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report(repo_root):
    folder = repo_root / "tests/data/evaluation"
    files = folder / "tao_edge_gt.json.gz", folder / "tao_edge_pred.json.gz"
    return evaluate("tao-ov", *files, oracle=True)


def test_everything_is_on_the_page(report):
    reader = Reader(evaluation_page(report))
    text = " ".join(reader.text)
    assert "49.4" in text and "Where the points are lost" in text and "+" in text
    for name in (*report["per_class"], *worst_videos(report)):
        assert name in text
    digest = report["protocol"]["annotations_sha256"]
    assert digest[:12] in text and any(a.get("title") == digest for _, a in reader.tags)
    anchors = [link for link in reader.links if link.startswith("#")]
    assert anchors and all(link[1:] in reader.ids for link in anchors)
    assert not any("http" in link for link in reader.links)


def test_worst_videos_are_the_lowest(report):
    names = worst_videos(report, 3)
    scores = {n: s["TETA"] for n, s in report["per_video"].items() if s}
    assert [scores[name] for name in names] == sorted(scores.values())[:3]
    page = evaluation_page(report, media={names[0]: "worst/a b.mp4"})
    assert "href='worst/a b.mp4'" in page


def test_names_cannot_inject_anything(report):
    evil = "<script>alert('x')</script>"
    changed = {
        **report,
        "per_class": {evil: next(iter(report["per_class"].values())), "b": {"TETA": 1.0}},
        "per_video": {evil: {"TETA": 1.0}},
        "dropped": [dict(file=evil, reason=evil, count=2, examples=[evil])],
        "protocol": {"predictions": evil, "note": {"a": evil}},
    }
    page = evaluation_page(changed)
    assert "<script>alert" not in page
    reader = Reader(page)
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert "2 records were left out" in " ".join(reader.text)


def test_reports_without_classes_videos_or_groups(report):
    few = {**report, "per_class": {}, "per_video": {"v": None}}
    few["summary"] = {"all": {"TETA": 1.0}, "novel": None}
    few.pop("oracle")
    text = " ".join(Reader(evaluation_page(few)).text)
    assert "Classes" not in text and "Worst" not in text and "–" in text


def test_a_comparison_shows_its_intervals(report):
    result = compare([report, report], ["a", "b"], resamples=5)
    text = " ".join(Reader(evaluation_page({**report, "comparison": result})).text)
    assert "5 resamples of 12 videos" in text and "+0.00 to +0.00" in text


def test_a_large_report_stays_small(tmp_path, report):
    rng = np.random.default_rng(0)
    metrics = report["summary"]["all"]
    big = {
        **report,
        "per_class": {
            f"class {k}": {m: float(rng.uniform(0, 100)) for m in metrics} | {"group": "base"}
            for k in range(1203)
        },
        "per_video": {
            f"val/YFCC100M/v_{k:030d}": {m: float(rng.uniform(0, 100)) for m in metrics}
            for k in range(1419)
        },
    }
    path = tmp_path / "page.html"
    write_page(big, path)
    assert path.stat().st_size < 3e6
    Reader(path.read_text(encoding="utf-8"))


def test_csv_holds_every_number(report, tmp_path):
    changed = {**report, "per_video": {"=1+1": {"TETA": 0.1 + 0.2}, "v": None}}
    files = {path.stem: path for path in write_csv(changed, tmp_path)}
    rows = {name: list(csv.DictReader(path.open())) for name, path in files.items()}
    assert [row["group"] for row in rows["summary"]] == ["all", "base", "novel"]
    assert float(rows["summary"][0]["TETA"]) == report["summary"]["all"]["TETA"]
    assert len(rows["per_class"]) == 14
    assert rows["per_video"][0]["video"] == "'=1+1"
    assert float(rows["per_video"][0]["TETA"]) == 0.1 + 0.2 and rows["per_video"][1]["TETA"] == ""
