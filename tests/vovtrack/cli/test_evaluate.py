"""The evaluate verb as a user types it."""

from __future__ import annotations

import gzip
import importlib
import json
import re
from inspect import signature

import pytest

from vovtrack.cli.evaluate import BENCHMARK_TABLE
from vovtrack.cli.main import build_parser, main
from vovtrack.evaluation.benchmarks import BENCHMARKS


@pytest.fixture(scope="module")
def files(repo_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edge")
    paths = []
    for kind in ("gt", "pred"):
        packed = repo_root / f"tests/data/evaluation/tao_edge_{kind}.json.gz"
        paths.append(folder / f"{kind}.json")
        paths[-1].write_bytes(gzip.decompress(packed.read_bytes()))
    return paths


def call(*words) -> int:
    return main(["evaluate", *(str(word) for word in words)])


def test_prints_the_table_and_writes_everything(files, tmp_path, capsys):
    gt, pred = files
    out, page = tmp_path / "result.json", tmp_path / "page.html"
    words = ("--out", out, "--rounded", "--html", page, "--csv", tmp_path / "tables")
    assert call("--gt", gt, "--pred", pred, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["classes", "n", "TETA", "LocA"]
    assert lines[3].split()[:4] == ["base", "13", "53.151", "46.566"]
    assert json.loads(out.read_text())["summary"]["all"]["TETA"] == pytest.approx(49.355, abs=5e-4)
    assert '"TETA": 49.35' in page.read_text()
    assert len(list((tmp_path / "tables").glob("*.csv"))) == 3


def test_packed_files_give_the_same_numbers(files, repo_root, capsys):
    call("--gt", files[0], "--pred", files[1])
    plain = capsys.readouterr().out
    folder = repo_root / "tests/data/evaluation"
    assert call("--gt", folder / "tao_edge_gt.json.gz", "--pred", files[1]) == 0
    assert capsys.readouterr().out == plain
    packed = (folder / "tao_edge_gt.json.gz", folder / "tao_edge_pred.json.gz")
    assert call("--gt", packed[0], "--pred", packed[1]) == 0
    assert capsys.readouterr().out == plain


def test_markdown(files, capsys):
    call("--gt", files[0], "--pred", files[1], "--markdown")
    assert capsys.readouterr().out.splitlines()[2].startswith("| all     | 14 | 49.355 |")


def test_truncated_predictions_write_nothing(files, tmp_path, capsys):
    cut = tmp_path / "cut.json"
    cut.write_bytes(files[1].read_bytes()[:-30])
    out = tmp_path / "result.json"
    assert call("--gt", files[0], "--pred", cut, "--out", out) == 2
    message = capsys.readouterr().err
    assert str(cut) in message and "Traceback" not in message
    assert list(tmp_path.iterdir()) == [cut]


def test_lenient_says_what_it_left_out(files, tmp_path, capsys):
    rows = json.loads(files[1].read_text())
    rows[5]["image_id"] = 10**7
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(rows))
    assert call("--gt", files[0], "--pred", path) == 2
    assert "result 5 (image 10000000" in capsys.readouterr().err
    assert call("--gt", files[0], "--pred", path, "--lenient") == 0
    assert "its image is not in the annotations" in capsys.readouterr().err


def test_shards_are_joined_and_reports_compared(files, tmp_path, capsys):
    gt, pred = files
    whole = tmp_path / "whole.json"
    call("--gt", gt, "--pred", pred, "--out", whole)
    parts = [tmp_path / f"part{k}.json" for k in (0, 1)]
    for k, part in enumerate(parts):
        words = ("--shards", 2, "--shard", k, "--out", part)
        assert call("--gt", gt, "--pred", pred, *words) == 0
    joined = tmp_path / "joined.json"
    assert call("--merge", *parts, "--out", joined) == 0
    assert joined.read_bytes() == whole.read_bytes()
    assert call(parts[0], whole) == 2
    assert "join them all with --merge" in capsys.readouterr().err
    assert call(whole, joined, "--resamples", 10, "--markdown") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| report") and "+0.000 .. +0.000" in table[3]


def test_the_error_budget_is_printed(files, capsys):
    assert call("--gt", files[0], "--pred", files[1], "--oracle") == 0
    text = capsys.readouterr().out
    assert "Where the points are lost" in text and "perfect links" in text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "give --gt and --pred"),
        (("--pred", "x.json"), "--pred needs --gt"),
        (("--gt", "x.json"), "--gt needs --pred"),
        (("--gt", "x", "--pred", "y", "--benchmark", "mot7"), "no benchmark 'mot7'"),
        (("--gt", "x", "--pred", "y", "--option", "mode"), "expected KEY=VALUE"),
        (("--gt", "x", "--pred", "y", "--shards", "2", "--shard", "0"), "and an --out"),
        (("no_such_report.json",), "no_such_report.json"),
    ],
)
def test_incomplete_commands_end_in_a_sentence(words, reason, capsys):
    assert call(*words) == 2
    message = capsys.readouterr().err
    assert reason in message and "Traceback" not in message


def test_an_option_that_the_benchmark_lacks_is_named(files, capsys):
    assert call("--gt", files[0], "--pred", files[1], "--option", "mode=strided") == 2
    message = capsys.readouterr().err
    assert "tao-ov has no option 'mode'" in message and "max_detections" in message


def test_the_guide_names_every_benchmark_and_only_real_options(repo_root):
    guide = (repo_root / "docs/evaluation.md").read_text()
    assert all(f"`{name}`" in guide for name in BENCHMARKS)
    parser = build_parser(["evaluate"])
    commands = re.findall(r"^vovtrack (evaluate .*)$", guide, flags=re.MULTILINE)
    assert len(commands) > 5
    for command in commands:
        parser.parse_args(command.split())
    for option in re.findall(r"`(?:--option )?(\w+)=\w+`", guide):
        modules = {b.module for b in BENCHMARKS.values()}
        sources = [importlib.import_module(m, "vovtrack.evaluation.benchmarks") for m in modules]
        assert any(option in signature(module.open_source).parameters for module in sources)


def test_help_lists_every_benchmark():
    assert all(name in BENCHMARK_TABLE for name in BENCHMARKS)
