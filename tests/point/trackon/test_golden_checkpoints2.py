"""Names and shapes of the tensors of Track-On2, and what becomes of files that have them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.places import ROOT
from tests.recorded import Recorded
from vovtrack.cli.convert import layouts
from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import load_checkpoint_into, load_weights
from vovtrack.engine.weights.conversion import (
    expected_shapes,
    find_layout,
    model_shapes,
    plan_conversion,
)
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

FILE = "checkpoint_keys_v2.json"
LEFT_OUT = "backbone.vit_encoder.dinov3."


@pytest.fixture(scope="module")
def variants(recorded: Recorded) -> dict[str, dict[str, list[int]]]:
    """Backbone -> key -> shape."""
    return recorded.json(FILE)


def config_of(variant: str) -> Path:
    """The config of a recorded backbone."""
    return ROOT / f"configs/trackon/trackon2_{variant.replace('_', '', 1)}.py"


def test_every_model_has_the_published_tensors(variants):
    assert variants
    for variant, shapes in variants.items():
        found = model_shapes(Config.fromfile(config_of(variant)))
        assert {key: list(shape) for key, shape in found.items()} == shapes, variant


def test_track_on_r_is_the_same_network():
    names = ("trackon2_dinov3s_plus", "trackon_r_dinov3s_plus")
    first, second = (model_shapes(Config.fromfile(ROOT / f"configs/trackon/{n}.py")) for n in names)
    assert first == second


def published(shapes: dict[str, list[int]], device: str = "meta") -> dict[str, torch.Tensor]:
    """Tensors as in a file of the authors, who leave DINOv3 out."""
    return {
        f"module.{key}": torch.zeros(shape, dtype=torch.int8, device=device)
        for key, shape in shapes.items()
        if not key.startswith(LEFT_OUT)
    }


def test_published_files_are_complete_and_known_by_their_keys(variants):
    """But for which of the two DINOv2 they have, which differ in size only: that must be named."""
    known = {layout.name: layout for layout in layouts()}
    seen = set()
    for variant, shapes in variants.items():
        kind = "trackon2-" + variant.replace("_", "", 1).replace("_", "-")
        weights = published(shapes)
        plan = plan_conversion(weights, known[kind], expected_shapes(known[kind]))
        assert plan.complete, variant
        assert {row.ours for row in plan.rows} == {key.removeprefix("module.") for key in weights}
        if find_layout(list(weights), layouts()).name == kind:
            seen.add(variant)
    assert seen == variants.keys() - {"dinov2_b"}


def test_the_left_out_transformer_is_told(variants, tmp_path, capsys):
    variant = next(name for name, shapes in variants.items() if any(LEFT_OUT in k for k in shapes))
    shapes = variants[variant]
    source, target = tmp_path / "published.pt", tmp_path / "ours.safetensors"
    torch.save(dict(model=published(shapes, "cpu"), epoch=200), source)
    assert main(["convert", str(source), str(target)]) == 0
    assert "model.backbone.pretrained" in capsys.readouterr().out
    assert load_weights(target).keys() == {key for key in shapes if not key.startswith(LEFT_OUT)}
    model = MODELS.build(Config.fromfile(config_of(variant)).model)
    with pytest.raises(InputError, match=f"lacks .* {LEFT_OUT}"):
        load_checkpoint_into(model, target)
