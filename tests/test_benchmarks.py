"""Every command that tools/benchmarks/README.md names runs, in small."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import torch

from tests.places import ROOT
from vovtrack.synthetic import render_clip
from vovtrack.visualization import VideoWriter

FOLDER = ROOT / "tools/benchmarks"
NAMED = re.compile(r"python (tools/benchmarks/[^`\n]+)")
LIBRARIES = {
    "arguments",
    "cells",
    "commands",
    "points_reference",
    "reference",
    "single_objects_reference",
    "teta_reference",
}


def commands() -> list[str]:
    """The commands of the page, in order."""
    return list(dict.fromkeys(NAMED.findall((FOLDER / "README.md").read_text())))


@pytest.fixture
def threads():
    """A benchmark sets the number of threads for itself, not for the tests after it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """What a command names VIDEO."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    frames, _ = render_clip(seed=0, num_frames=4, width=96, height=64)
    with VideoWriter(path, fps=5) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("command", commands())
def test_command_runs(command, video, world, repository, threads, monkeypatch, capsys):
    files = {"VIDEO": video, "work_dirs/quickstart/world": world}
    script, *words = [str(files.get(word, word)) for word in shlex.split(command)]
    monkeypatch.setattr(sys, "argv", [script, *words, "--smoke"])
    monkeypatch.syspath_prepend(FOLDER)
    runpy.run_path(script, run_name="__main__")
    assert re.search(r"\d", capsys.readouterr().out), "a benchmark prints figures"


def test_every_benchmark_is_named_somewhere():
    pages = [FOLDER / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("configs/*/README.md")]
    text = "".join(path.read_text() for path in pages)
    scripts = {path.stem for path in FOLDER.glob("*.py")} - LIBRARIES
    assert {name for name in scripts if f"tools/benchmarks/{name}.py" not in text} == set()
