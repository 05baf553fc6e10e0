"""A system of others is plugged in: the toy system, of which no file of the project knows.

Its config imports it. Verbs without a config find it by the entry point of its package.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vovtrack import load_tracker
from vovtrack.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "tests/toy_system/config.py"
PLACE = [0.25, 0.25, 0.75, 1.0]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The toy system as an installed package announces it."""
    metadata = tmp_path / "site/toy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[vovtrack.systems]\ntoy = toy_system\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def released(installed):
    """Weights in the names that their authors gave them."""
    torch.save({"state_dict": {"toy.place": torch.tensor(PLACE)}}, installed / "released.pth")
    return installed / "released.pth"


@pytest.fixture
def weights(released, installed):
    assert main(["convert", str(released), "toy.safetensors"]) == 0
    return installed / "toy.safetensors"


def test_its_checkpoints_are_converted_and_described(released, capsys):
    assert main(["convert", str(released), "toy.safetensors", "--kind", "toy"]) == 0
    assert "toy.safetensors: toy tracker, 1 renamed" in capsys.readouterr().out
    assert json.loads(Path("toy.json").read_text())["kind"] == "toy"
    words = ["--config", str(CONFIG), "--trust-config"]
    assert main(["doctor", "--checkpoint", "toy.safetensors", *words]) == 0
    assert "toy tracker" in capsys.readouterr().out
    assert main(["convert", str(released), "x.safetensors", "--kind", "ovtrack"]) == 2
    assert main(["convert", str(released), "x.safetensors", "--kind", "tie"]) == 2
    assert "expected one of auto, toy, " in capsys.readouterr().err


def test_it_tracks_frames(weights):
    tracker = load_tracker(CONFIG, weights, device="cpu", trust_config=True)
    assert type(tracker).__name__ == "ToyOnlineTracker" and tracker.names == ("thing",)
    for number in range(2):
        found = tracker.step(np.zeros((40, 80, 3), dtype=np.uint8))
        assert found.frame_id == number and found.track_ids.tolist() == [0]
        np.testing.assert_allclose(found.bboxes, [[20, 10, 60, 40]])
        np.testing.assert_allclose(found.scores, [0.9])


def test_the_command_tracks_with_it(weights, tmp_path):
    (tmp_path / "video").mkdir()
    for number in range(3):
        cv2.imwrite(f"video/{number}.png", np.zeros((40, 80, 3), dtype=np.uint8))
    words = ["--config", str(CONFIG), "--trust-config", "--checkpoint", str(weights)]
    assert main(["track", "video", *words, "--json", "tracks.json"]) == 0
    frames = json.loads(Path("tracks.json").read_text())["frames"]
    found = [(track["class"], track["bbox"]) for frame in frames for track in frame["tracks"]]
    assert found == [("thing", [20.0, 10.0, 60.0, 40.0])] * 3


def test_the_command_tests_it(weights, capsys, caplog):
    words = ["test", str(CONFIG), str(weights), "--trust-config", "--out", "metrics.json"]
    assert main([*words, "--eval", "place", "--cfg-options", "model.confidence=0.5"]) == 0
    assert "'model.confidence' is now 'model.score'" in caplog.text
    # 16 x 12 of the 32 x 36 pixels of the box lie among the 32 x 24 of the metric's.
    expected = 16 * 12 / (32 * 36 + 32 * 24 - 16 * 12)
    assert json.loads(Path("metrics.json").read_text()) == {"toy/iou": pytest.approx(expected)}
    assert main([*words, "--eval", "track"]) == 2
    assert "ConstantBoxMetric" in capsys.readouterr().err


def test_it_runs_only_if_trusted(weights, capsys):
    assert main(["test", str(CONFIG), str(weights)]) == 2
    assert "--trust-config" in capsys.readouterr().err


def test_a_plugin_that_cannot_be_imported(installed, capsys):
    (installed / "site/toy-1.0.dist-info/entry_points.txt").write_text(
        "[vovtrack.systems]\nbroken = not_installed\n"
    )
    assert main(["convert", "a.pth", "b.safetensors"]) == 2
    assert "'broken' (not_installed) cannot be imported" in capsys.readouterr().err


def test_it_is_small():
    files = sorted((ROOT / "tests/toy_system").glob("*.py"))
    assert sum(len(path.read_text().splitlines()) for path in files) < 120
