"""``vovtrack doctor``: what is there, what is broken, and the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vovtrack.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


def test_doctor_reports_and_is_content(capsys):
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for word in ("torchvision", "operators", "cuda", "ovtrack_finetune_final.pth"):
        assert word in report


def test_files_of_the_repository_are_found_from_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    assert "found    saved_models/mini/clip_mini.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("problem", "cure"),
    [
        ("libGL.so.1: cannot open shared object file", "pip install opencv-python-headless"),
        ("numpy.core.multiarray failed to import", "pip install -e ."),
    ],
)
def test_a_broken_opencv_is_diagnosed(tmp_path, problem, cure):
    (tmp_path / "cv2.py").write_text(f"raise ImportError({problem!r})")
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-m", "vovtrack", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("cv2 "))
    assert problem in line and cure in line
    assert "cv2" in result.stdout.splitlines()[-1]
