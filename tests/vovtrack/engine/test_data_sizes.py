"""What a data config may ask for: sizes that no machine has are refused before they are built."""

from __future__ import annotations

import json
from pathlib import Path

import hostile_sizes
import pytest
import torch
import yaml
from torch import nn

from vovtrack.engine.configs import read_config
from vovtrack.errors import InputError
from vovtrack.models import limits
from vovtrack.models.clip.encoder import build_clip

CONFIGS = Path(__file__).parents[3] / "configs"
BACKBONES = {
    "ResNet": dict(depth=50),
    "ResNeXt": dict(depth=50),
    "ResNeSt": dict(depth=50),
    "Res2Net": dict(depth=50),
    "RegNet": dict(arch="regnetx_400mf"),
    "SwinTransformer": dict(),
    "PyramidVisionTransformer": dict(num_layers=[2, 2, 2, 2]),
    "PyramidVisionTransformerV2": dict(num_layers=[2, 2, 2, 2]),
    "CSPDarknet": dict(),
    "CSPNeXt": dict(),
    "MobileNetV2": dict(),
}


def write(folder: Path, content: dict) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_what_no_machine_has_is_refused(tmp_path):
    for path in hostile_sizes.write_sizes(tmp_path):
        with pytest.raises(InputError, match=path.name) as refusal:
            read_config(path)
        said = str(refusal.value)
        assert "trust-config" in said or limits.VARIABLE in said or "cannot be built" in said


def test_what_a_clip_asks_for_is_measured(tmp_path):
    for name, content in hostile_sizes.CLIPS.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=name):
            build_clip(path)


@pytest.mark.parametrize("config", ["mini/ovtrack.py", "mini/prompts.py", "transfer/coco.py"])
def test_configs_of_the_project_are_within_the_limits(config, tmp_path):
    read = read_config(write(tmp_path, {"_base_": str(CONFIGS / config)}))
    assert read.model == read_config(CONFIGS / config).model


@pytest.mark.parametrize("backbone", BACKBONES)
def test_backbones_are_measured(backbone, tmp_path):
    part = dict(type=f"mmdet.{backbone}", **BACKBONES[backbone])
    read_config(write(tmp_path, dict(model=part)))


def test_the_user_sets_the_limit(tmp_path, monkeypatch):
    path = write(tmp_path, dict(model=dict(type="mmdet.ResNet", depth=50)))
    monkeypatch.setenv(limits.VARIABLE, "0.01")
    with pytest.raises(InputError, match="VOVTRACK_MAX_MODEL_GB=NUMBER"):
        read_config(path)
    read_config(path, trust_config=True)
    monkeypatch.setenv(limits.VARIABLE, "0.2")
    read_config(path)
    monkeypatch.setenv(limits.VARIABLE, "much")
    with pytest.raises(InputError, match="give a number of GiB"):
        read_config(path)


def test_measuring_counts_parts_and_weights_and_leaves_nothing_behind():
    with pytest.raises(InputError, match="more than 5000 parts"), limits.measured("This"):
        nn.Sequential(*(nn.Identity() for _ in range(5001)))
    with pytest.raises(InputError, match="weights of 2.2 GiB"), limits.measured("This"):
        nn.ModuleList(nn.Linear(1 << 13, 1 << 13, bias=False) for _ in range(9))
    assert nn.Linear(2, 2).weight.device == torch.device("cpu")
    nn.Sequential(*(nn.Identity() for _ in range(5001)))
