"""A wheel is the whole program: installed elsewhere it tracks, from an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from vovtrack.synthetic import render_clip

ROOT = Path(__file__).resolve().parents[1]
NEEDED = (
    "vovtrack", "detpro", "ovtrack", "configs", "saved_models/mini", "pyproject.toml", "setup.py",
    "MANIFEST.in", "requirements.txt", "README.md", "LICENSE",
)  # fmt: skip
LARGEST = 12e6


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy, since building leaves files in the source folder."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NEEDED:
        here, there = ROOT / name, source / name
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs ``python -m vovtrack`` of the installed wheel in an empty folder."""
    target, empty = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("empty")
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def run(*words) -> str:
        command = [sys.executable, "-m", "vovtrack", *map(str, words)]
        result = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def pip(*words) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)],
        check=True,
    )


def test_it_is_small(wheel):
    assert wheel.stat().st_size < LARGEST


def test_its_version_is_the_declared_one(run):
    declared = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[
        1
    ]
    assert run("--version").strip() == f"vovtrack {declared}"


def test_it_tracks_from_an_empty_folder(run, tmp_path):
    clip = tmp_path / "clip"
    clip.mkdir()
    frames, _ = render_clip(seed=1, num_frames=4, width=160, height=120)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(clip / f"frame{number}.jpg"), frame[..., ::-1])
    out = tmp_path / "tracks.json"
    run("track", clip, "--score-thr", "0.05", "--json", out)
    content = json.loads(out.read_text())
    assert len(content["frames"]) == 4 and content["tracks"]


def test_it_knows_its_configs_and_weights(run):
    assert "found    saved_models/mini/ovtrack_mini.safetensors" in run("doctor")
