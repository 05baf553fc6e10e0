from __future__ import annotations

import argparse
import gzip
import json

import pytest

from vovtrack.cli import evaluate
from vovtrack.errors import InputError


@pytest.fixture
def files(repo_root, tmp_path):
    paths = []
    for kind in ("gt", "pred"):
        packed = repo_root / f"tests/data/evaluation/tao_edge_{kind}.json.gz"
        paths.append(tmp_path / f"{kind}.json")
        paths[-1].write_bytes(gzip.decompress(packed.read_bytes()))
    return paths


def call(*words) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


def test_prints_the_table_and_writes_everything(files, tmp_path, capsys):
    gt, pred = files
    out = tmp_path / "result.json"
    assert call("--gt", gt, "--pred", pred, "--out", out, "--rounded") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["classes", "n", "TETA", "LocA"]
    assert lines[3].split()[:4] == ["base", "13", "53.151", "46.566"]
    assert json.loads(out.read_text())["summary"]["all"]["TETA"] == pytest.approx(49.355, abs=5e-4)


def test_markdown(files, capsys):
    call("--gt", files[0], "--pred", files[1], "--markdown")
    assert capsys.readouterr().out.splitlines()[2].startswith("| all     | 14 | 49.355 |")


def test_truncated_predictions_write_nothing(files, tmp_path):
    files[1].write_bytes(files[1].read_bytes()[:-30])
    with pytest.raises(InputError, match="cut short"):
        call("--gt", files[0], "--pred", files[1], "--out", tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()
