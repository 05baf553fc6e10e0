"""The page of an evaluation: complete, harmless, and readable as HTML."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from vovtrack.evaluation import compare, evaluate
from vovtrack.evaluation.reports.csv_tables import write_csv
from vovtrack.evaluation.reports.page import evaluation_page, write_page

VOID = {"meta", "br", "input"}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


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


def shown(page: str, folder) -> tuple[str, Reader]:
    """The document that a browser makes of a page: its text, and its parsed form."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    options = "--headless --no-sandbox --disable-gpu --disable-background-networking --dump-dom"
    command = [CHROMIUM, *options.split(), f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    document = done.stdout
    reader = Reader(document[document.index("<main>") : document.index("</main>") + 7])
    return " ".join(reader.text), reader


def data_of(page: str) -> dict:
    """What the data block of a page holds."""
    (block,) = re.findall(r'<script type="application/json" id="data">(.*)</script>', page)
    return json.loads(block)


def test_the_page_holds_the_report_as_data_and_one_allowed_script(report):
    page = evaluation_page([report])
    found = data_of(page)["reports"][0]["report"]
    assert found["summary"] == report["summary"] and found["per_video"] == report["per_video"]
    assert "statistics" not in found
    reader = Reader(page)
    scripts = [attributes for tag, attributes in reader.tags if tag == "script"]
    assert scripts == [dict(type="application/json", id="data"), {}]
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy and "unsafe" not in policy
    blocks = dict(re.findall(r"<(script|style)>(.*?)</", page, re.DOTALL))
    for kind, text in blocks.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert len(blocks) == 2 and "http" not in "".join(reader.links)


EVIL = [
    "<script>document.title='ran'</script>",
    "</script><script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "'\"><svg onload=document.title='ran'>",
    "<!--<script>",
    "\u2028\u2029&lt;b&gt;",
]


def altered(report, text):
    """A report with a text in every place where a stranger can put one."""
    row = next(iter(report["per_class"].values()))
    return {
        **report,
        "headline": ["TETA", text],
        "summary": {text: {"TETA": 1.0, text: 2.0}, "novel": None},
        "per_class": {text: {**row, "group": text}, "b": {"TETA": 1.0, "group": text}},
        "per_video": {text: {"TETA": 1.0}, "w": {"TETA": 2.0}},
        "dropped": [dict(file=text, reason=text, count=2, examples=[text])],
        "protocol": {"predictions": text, text: {text: text}, "list": [text]},
        "oracle": {"columns": [text], "rows": [dict(name=text, summary={text: {"TETA": 1.0}})]},
    }


@pytest.mark.parametrize("text", EVIL)
def test_no_text_leaves_the_data_block(report, text):
    page = evaluation_page([altered(report, text)], [text], None, {text: text})
    reader = Reader(page)
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert not {"img", "svg", "b"} & {tag for tag, _ in reader.tags}
    assert data_of(page)["reports"][0]["name"] == text


@needs_chromium
def test_a_browser_shows_everything(report, tmp_path):
    names = _by_score(report)
    page = evaluation_page([report], media={names[0]: "worst/a b.mp4"})
    text, reader = shown(page, tmp_path)
    assert "49.4" in text and "Where the points are lost" in text
    for name in (*report["per_class"], *names):
        assert name in text
    digest = report["protocol"]["annotations_sha256"]
    assert digest[:12] in text and any(a.get("title") == digest for _, a in reader.tags)
    anchors = [link for link in reader.links if link.startswith("#")]
    assert anchors and all(link[1:] in reader.ids for link in anchors)
    assert "worst/a b.mp4" in reader.links
    order = [text.index(name) for name in names[:3]]
    assert order == sorted(order)


def _by_score(report):
    scored = {name: scores["TETA"] for name, scores in report["per_video"].items() if scores}
    return sorted(scored, key=scored.get)


@needs_chromium
def test_a_browser_runs_nothing_of_a_report(report, tmp_path):
    text = "".join(EVIL)
    page = evaluation_page([altered(report, text)] * 2, [text, "b"], None, {text: "javascript:x"})
    seen, reader = shown(page, tmp_path)
    assert text in seen.replace("\xa0", " ") and "ran</title>" not in seen
    assert not {"script", "img"} & {tag for tag, _ in reader.tags}
    assert not any(link.startswith("javascript") for link in reader.links)
    assert not any(name.startswith("on") for _, a in reader.tags for name in a)


@needs_chromium
def test_reports_without_classes_videos_or_groups(report, tmp_path):
    few = {**report, "per_class": {}, "per_video": {"v": None}}
    few["summary"] = {"all": {"TETA": 1.0}, "novel": None}
    few.pop("oracle")
    text, _ = shown(evaluation_page([few]), tmp_path)
    assert "Classes" not in text and "Worst" not in text and "–" in text


@needs_chromium
def test_a_comparison_shows_its_intervals_and_every_report(report, tmp_path):
    result = compare([report, report], ["first", "second"], resamples=5)
    page = evaluation_page([report, report], ["first", "second"], result)
    text, reader = shown(page, tmp_path)
    assert "5 resamples of 12 videos" in text and "+0.00 to +0.00" in text
    assert [tag for tag, _ in reader.tags].count("details") == 2
    assert text.count("Where the points are lost") == 2


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
    write_page([big], path)
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


@needs_chromium
def test_a_browser_draws_curves_and_lists_attributes(tmp_path):
    (tmp_path / "gt/a").mkdir(parents=True)
    (tmp_path / "gt/a/groundtruth_rect.txt").write_text("9,9,20,20\n" * 3)
    (tmp_path / "gt/anno/att").mkdir(parents=True)
    (tmp_path / "gt/anno/att/a.txt").write_text("1,0,0,0,0,0,0,0,0,0,0\n")
    reports = []
    for name, rows in (("near", "11,9,20,20\n" * 3), ("far", "80,9,20,20\n" * 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(rows)
        reports.append(evaluate("sot", tmp_path / "gt", tmp_path / name))
    text, page = shown(evaluation_page(reports, ["near", "far"]), tmp_path)
    lines = [attributes["points"] for tag, attributes in page.tags if tag == "polyline"]
    assert len(lines) == 6 and len(set(lines[:2])) == 2
    assert [len(points.split()) for points in lines] == [21, 21, 51, 51, 51, 51]
    assert "By attribute" in text and "IV" in text and "AUC over overlap" in text
