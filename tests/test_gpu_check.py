"""The check of a GPU machine runs here in its form for the CPU, and a failing part is one row."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.places import ROOT


def check(out: Path, *words: str) -> tuple[int, list[dict]]:
    """Run the script; its exit code and its rows."""
    done = subprocess.run(
        ["bash", "tools/gpu_check.sh", "--out", str(out), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, json.loads(out.with_suffix(".json").read_text())


@pytest.mark.slow
def test_quick_form_on_the_cpu(tmp_path):
    out = tmp_path / "gpu.md"
    training = ("training, pairs, bf16", "training, prompts, bf16")
    parts = ("machine", *training, "tracking, float32", "process group")
    code, rows = check(out, "--device", "cpu", "--quick", "--only", *parts)
    assert code == 0, rows
    assert [row["part"] for row in rows] == list(parts)
    for row in rows[1:3]:
        assert row["result"]["cosine_with_cpu"] > 0.9 and row["result"]["steps"] == 2
    assert rows[3]["result"]["same_tracks"] > 0
    assert rows[4]["result"] == {"processes": 1, "backend": "gloo"}
    assert all(f"| {part} | ok |" in out.read_text() for part in parts)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the parts would pass")
def test_a_failing_part_is_a_row_and_the_others_run(tmp_path):
    out = tmp_path / "gpu.md"
    code, rows = check(out, "--quick", "--only", "machine", "benchmark, association")
    assert code == 1
    assert [row["status"] for row in rows] == ["failed", "ok"]
    assert "driver" in rows[0]["result"] or "CUDA" in rows[0]["result"]
    assert "failed: " in out.read_text()


def wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write a package without content."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        need = f"Requires-Dist: {requires}\n" if requires else ""
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{need}"
        file.writestr(f"{info}/METADATA", head)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


def test_wheels_bring_what_is_missing_and_leave_torch(tmp_path):
    folder, site = tmp_path / "wheels", tmp_path / "check/site"
    folder.mkdir()
    wheel(folder, "torch", "99.0")
    wheel(folder, "numpy", "99.0")
    wheel(folder, "wanted_nowhere_else", "1.0", "torch>=2")
    module = runpy.run_path(str(ROOT / "tools/gpu_check/wheels.py"))
    module["install"](folder, site, ["wanted-nowhere-else", "numpy>=1", "torch>=2"])
    found = {path.name for path in site.glob("*.py")}
    assert found == {"wanted_nowhere_else.py"}
