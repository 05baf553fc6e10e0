"""Pictures of state weights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import detpro  # noqa: F401  registers the models
import vovtrack.models  # noqa: F401
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS
from vovtrack.visualization.draw import draw_states
from vovtrack.visualization.palette import state_color

CONFIG = "configs/mini/detpro_state.py"


def test_weights_are_colours():
    frame = np.zeros((60, 80, 3), np.uint8)
    boxes = np.array([[5.0, 5, 30, 30], [40, 5, 70, 50]])
    picture = draw_states(frame, boxes, np.array([0.0, 1.0]))
    assert not frame.any()
    for (x, y), weight in (((29, 20), 0.0), ((69, 40), 1.0)):
        inside = picture[y, x].astype(float)
        expected = np.array(state_color(weight), float)
        assert np.dot(inside, expected) > 0.95 * np.linalg.norm(inside) * np.linalg.norm(expected)
    assert state_color(0.0) != state_color(1.0)
    assert draw_states(frame, np.zeros((0, 4)), np.zeros(0)).shape == frame.shape


@pytest.fixture
def weights(repository, tmp_path):
    """An untrained model of stage 2."""
    torch.manual_seed(0)
    model = MODELS.build(load_config(CONFIG).model)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_the_command(weights, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / "in" / name), np.full((48, 64, 3), 90, np.uint8))
    words = ["draw", "states", str(tmp_path / "in"), "--checkpoint", str(weights)]
    words += ["--out", str(tmp_path / "out"), "--score-thr", "0.0"]
    assert main([*words, "--config", CONFIG]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "mean weight" in line]
    assert len(lines) == 2 and {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}
    assert cv2.imread(str(tmp_path / "out" / "a.png")).shape == (48, 64, 3)


def test_models_without_states_and_folders_without_images(weights, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    words = ["draw", "states", str(tmp_path / "none"), "--checkpoint", str(weights), "--out"]
    assert main([*words, str(tmp_path / "out"), "--config", CONFIG]) == 2
    assert "neither an image nor a folder of images" in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / "none" / "a.png"), np.zeros((48, 64, 3), np.uint8))
    assert main([*words, str(tmp_path / "out"), "--config", "configs/mini/detpro.py"]) == 2
    assert "no state attention" in capsys.readouterr().err
