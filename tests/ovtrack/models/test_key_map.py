"""Names of tensors: those of this project, of its earlier files and of the released code."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from vovtrack.engine.weights.checkpoint import load_checkpoint_into, load_weights, save_weights
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

WEIGHTS = "saved_models/mini/ovtrack_mini.safetensors"


@pytest.fixture(scope="module")
def model(repo_root):
    return MODELS.build(Config.fromfile(repo_root / "configs/mini/ovtrack.py").model)


@pytest.fixture(scope="module")
def shipped(repo_root):
    """As in a file from when a tracker was a detector: no part of it is named ``detector``."""
    weights = load_weights(repo_root / WEIGHTS)
    earlier = {key.removeprefix("detector."): value for key, value in weights.items()}
    assert {key.split(".")[0] for key in earlier} == {
        *("backbone", "neck", "rpn_head", "roi_head", "track_head")
    }
    return earlier


@pytest.fixture(scope="module")
def earlier_file(shipped, tmp_path_factory):
    path = tmp_path_factory.mktemp("earlier") / "w.safetensors"
    save_weights(shipped, path)
    return path


def now(key: str) -> str:
    return key if key.startswith("track_head.") else f"detector.{key}"


def test_every_tensor_of_an_earlier_file_lands_and_is_saved_under_its_new_name(
    model, shipped, earlier_file, tmp_path
):
    load_checkpoint_into(model, earlier_file)
    state = model.state_dict()
    assert set(state) == set(map(now, shipped))
    assert all(torch.equal(state[now(key)], value.float()) for key, value in shipped.items())
    save_weights(model, tmp_path / "new.safetensors")
    assert set(load_weights(tmp_path / "new.safetensors")) == set(state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    load_checkpoint_into(model, tmp_path / "new.safetensors")
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())


@pytest.mark.parametrize("name", ["roi_head.extra", "detector.extra", "track_head.extra", "extra"])
def test_what_has_no_place_is_an_error(model, shipped, name, tmp_path):
    save_weights({**shipped, name: torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"has unexpected 1 .*extra"):
        load_checkpoint_into(model, tmp_path / "w.safetensors")
    lacking = {key: value for key, value in shipped.items() if key != "neck.fpn_convs.0.bn.bias"}
    save_weights(lacking, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"lacks 1 .*detector\.neck\.fpn_convs\.0\.bn\.bias"):
        load_checkpoint_into(model, tmp_path / "w.safetensors")


def test_an_average_of_weights_resumes_from_an_earlier_file(model, shipped):
    """mmengine keeps it in a module around a copy of the model."""
    around = torch.nn.Module()
    around.module = model
    around.load_state_dict({f"module.{key}": value for key, value in shipped.items()})


def test_a_detector_starts_the_training_of_a_tracker(model, repo_root):
    bare = MODELS.build(Config.fromfile(repo_root / "configs/mini/detector.py").model)
    found = model.load_state_dict(bare.state_dict(), strict=False)
    assert not found.unexpected_keys
    assert {key.split(".")[0] for key in found.missing_keys} == {"track_head"}
    for key, value in bare.state_dict().items():
        assert torch.equal(model.state_dict()[now(key)], value)
