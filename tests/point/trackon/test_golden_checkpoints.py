"""Names and shapes of the published weights, and the draws that stand for them."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.point.trackon.released import CONFIG, released, seeded_weights
from tests.recorded import Recorded
from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import load_checkpoint_into, load_weights
from vovtrack.errors import InputError
from vovtrack.registry import MODELS


def test_the_model_has_the_published_tensors(recorded: Recorded):
    shapes = recorded.json("checkpoint_keys_v1.json")
    model = released(recorded, (384, 512))
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == shapes
    counts = {flag: 0 for flag in (True, False)}
    for parameter in model.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    assert counts == {True: 26_983_705, False: 22_056_192}


def test_the_draws_are_the_recorded_ones(recorded: Recorded):
    expected = recorded.json("seeding_check.json")
    shapes = recorded.json("checkpoint_keys_v1.json")
    weights = seeded_weights(shapes, recorded.salt)
    for key, values in expected.items():
        found = weights[key].flatten()[: len(values)].numpy()
        np.testing.assert_allclose(found, values, atol=2e-6, err_msg=key)


@pytest.fixture(scope="module")
def published(recorded: Recorded, tmp_path_factory) -> Path:
    """A file as the authors publish it: of data-parallel training, with all that it needs."""
    weights = {
        f"module.{key}": torch.full(shape, float(number), dtype=torch.float16)
        for number, (key, shape) in enumerate(recorded.json("checkpoint_keys_v1.json").items())
    }
    content = dict(
        model=weights,
        optimizer={"state": {}, "param_groups": [{"lr": 5e-4, "params": [0]}]},
        scheduler={"last_epoch": 3, "_last_lr": [5e-4]},
        scaler={"scale": 65536.0},
        epoch=150,
        args=Namespace(input_size=[384, 512], amp=True, lr=5e-4, name="track_on"),
    )
    path = tmp_path_factory.mktemp("published") / "track_on_checkpoint.pt"
    torch.save(content, path)
    return path


def test_the_published_file_is_converted(recorded, published, tmp_path, capsys):
    assert main(["convert", str(published), str(tmp_path / "trackon.safetensors")]) == 0
    assert "Track-On v1" in capsys.readouterr().out
    converted = load_weights(tmp_path / "trackon.safetensors")
    shapes = recorded.json("checkpoint_keys_v1.json")
    assert {key: list(value.shape) for key, value in converted.items()} == shapes
    for number, key in enumerate(shapes):
        assert (converted[key] == number).all()
    card = json.loads((tmp_path / "trackon.json").read_text())
    assert card["kind"] == "trackon" and card["counts"]["in the file"] == len(shapes)


def test_the_published_file_is_taken_as_it_is_too(recorded, published):
    """Its keys but for the prefix are ours; another size of input is told."""
    model = MODELS.build(Config.fromfile(CONFIG).model)
    load_checkpoint_into(model, published)
    assert (model.corr_layer.weight == len(model.state_dict()) - 1).all()


def test_a_file_that_lacks_a_tensor_is_refused(published, tmp_path, capsys):
    content = torch.load(published, weights_only=False)
    content["model"].popitem()
    torch.save(content, tmp_path / "part.pt")
    assert main(["convert", str(tmp_path / "part.pt"), str(tmp_path / "x.safetensors")]) == 2
    assert "corr_layer" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_a_file_of_another_input_size_is_refused(recorded, published):
    cfg = Config.fromfile(CONFIG)
    cfg.model.input_size = (96, 128)
    with pytest.raises(InputError, match="frame_pos_embedding"):
        load_checkpoint_into(MODELS.build(cfg.model), published)
