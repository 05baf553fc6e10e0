"""Where a verb cannot write, it says so in one sentence and exits with 2."""

from __future__ import annotations

import json
import resource

import pytest

from tests.places import ROOT
from vovtrack.cli.main import main
from vovtrack.files.folders import unfinished
from vovtrack.files.parts import LABEL
from vovtrack.synthetic import render_clip, write_world
from vovtrack.visualization import VideoWriter

WEIGHTS = ROOT / "saved_models/mini/ovtrack_mini.safetensors"
CLOSED = "/sys/vovtrack"
"""In a file system that takes no files, not even from root."""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A tiny world, boxes to evaluate, and a video."""
    folder = tmp_path_factory.mktemp("material")
    write_world(folder / "world", size="tiny", workers=1)
    assert main(["synth", "--boxes-only", "--videos", "3", "--out", str(folder / "boxes")]) == 0
    with VideoWriter(folder / "v.mp4", 5) as writer:
        for frame in render_clip(seed=0, num_frames=12, width=320, height=240)[0]:
            writer.write(frame)
    return folder


def verbs(material, out: str) -> dict[str, list[str]]:
    boxes = material / "boxes"
    evaluate = ["evaluate", "--gt", str(boxes / "gt.json"), "--pred", str(boxes / "pred.json")]
    return {
        "evaluate --out": [*evaluate, "--out", f"{out}/a.json"],
        "evaluate --html": [*evaluate, "--html", f"{out}/a.html"],
        "evaluate --csv": [*evaluate, "--csv", f"{out}/tables"],
        "export": ["export", "--slim", str(WEIGHTS), f"{out}/w.safetensors"],
        "synth": ["synth", "--size", "tiny", "--workers", "1", "--out", f"{out}/world"],
        "synth --boxes-only": ["synth", "--boxes-only", "--videos", "1", "--out", f"{out}/boxes"],
        "prepare frames": ["prepare", "frames", str(material / "v.mp4"), "--out", f"{out}/frames"],
        "prepare check": [
            *("prepare", "check", str(material / "world/lvis/annotations/val.json")),
            *(str(material), "--out", f"{out}/missing.txt"),
        ],
        "publish": [
            *("publish", str(WEIGHTS), "--repo", "a/b", "--dry-run", f"{out}/card"),
        ],
        "download": ["download", "ovtrack_pair", "--offline", "--to", f"{out}/models"],
        "track": ["track", str(material / "v.mp4"), "--json", f"{out}/a.json", "--device", "cpu"],
        "train": ["train", "configs/mini/detector.py", "--work-dir", f"{out}/run"],
        "test": [
            *("test", "configs/mini/ovtrack.py", str(WEIGHTS), "--work-dir", f"{out}/run"),
        ],
    }


@pytest.mark.parametrize("verb", list(verbs(ROOT, "")))
def test_a_folder_that_takes_no_files(material, repository, capsys, verb):
    capsys.readouterr()
    assert main(verbs(material, CLOSED)[verb]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"vovtrack {verb.split()[0]}: '{CLOSED}"), error
    assert error.endswith(".") and "Errno" not in error


@pytest.mark.parametrize(
    "verb", ["evaluate --html", "export", "synth", "synth --boxes-only", "prepare frames"]
)
def test_a_full_disk(material, tmp_path, capsys, verb):
    """Files cannot grow beyond 3 kB, as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, limits[1]))
    try:
        assert main(verbs(material, str(tmp_path / "out"))[verb]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"vovtrack {verb.split()[0]}: '{tmp_path}")
    assert "cannot be written: File too large" in error
    kept = unfinished(tmp_path / "out/world")  # for the run that resumes
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != LABEL]
    assert [path for path in left if kept not in path.parents] == []


def test_outputs_are_not_inputs(material, capsys):
    gt, pred = material / "boxes/gt.json", material / "boxes/pred.json"
    before = pred.read_bytes()
    for option in ("--out", "--html"):
        assert main(["evaluate", "--gt", str(gt), "--pred", str(pred), option, str(pred)]) == 2
        assert "is also the predictions" in capsys.readouterr().err
    assert pred.read_bytes() == before and json.loads(gt.read_text())
    assert main(["export", "--slim", str(WEIGHTS), str(WEIGHTS)]) == 2
    assert "is also the file to slim" in capsys.readouterr().err
