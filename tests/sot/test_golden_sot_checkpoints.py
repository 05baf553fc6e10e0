"""Names and shapes of the published weights."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from tests.sot.networks import build
from vovtrack.cli.convert import layouts
from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import load_weights
from vovtrack.engine.weights.conversion import expected_shapes, find_layout, plan_conversion
from vovtrack.errors import InputError
from vovtrack.sot.models.keys import DIMP_KEYS, NETWORKS

RELEASED = {
    "dimp18": "dimp18",
    "dimp50": "dimp50",
    "super_dimp": "dimp50",
    "super_dimp_simple": "super-dimp-simple",
    "prdimp50": "prdimp50",
    "keep_track": "keep-track",
    "tomp50": "tomp50",
    "atom": "atom",
}
"""Networks -> the layout that their files are of."""


def test_every_tensor_has_its_place(recorded):
    for name, kind in RELEASED.items():
        shapes = recorded.json(f"checkpoint_keys_{name}.json")
        weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        layout = find_layout(list(weights), NETWORKS)
        assert layout.name == kind
        plan = plan_conversion(weights, layout, expected_shapes(layout))
        assert plan.complete and not plan.absent(), name
        with torch.device("meta"):
            own = build(name).state_dict()
        kept = {layout.keys.translate(key)[0]: tuple(shape) for key, shape in shapes.items()}
        kept.pop(None)
        parts = {key.split(".")[0] for key in kept}
        wanted = {key: tuple(v.shape) for key, v in own.items() if key.split(".")[0] in parts}
        assert kept == wanted, "all of each part that the file is of"


@pytest.mark.parametrize("layout", NETWORKS, ids=lambda layout: layout.name)
def test_converted_files_are_told(layout):
    """By every command that reads weights; all names stay as they are."""
    own = expected_shapes(layout)
    assert find_layout(list(own), layouts()) is layout
    assert all(key == ours for key, (ours, _) in layout.keys.translate_all(own).items())


def test_a_converted_file_fits_its_config(recorded, tmp_path, capsys):
    shapes = recorded.json("checkpoint_keys_atom.json")
    source, goal = str(tmp_path / "atom.pth.tar"), str(tmp_path / "atom.safetensors")
    weights = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes.items()}
    torch.save(dict(net=weights), source)
    assert main(["convert", source, goal]) == 0
    for path, note in ((source, "; its keys are named as elsewhere or earlier"), (goal, "")):
        capsys.readouterr()
        assert main(["doctor", "--checkpoint", path, "--config", "configs/sot/atom.py"]) == 0
        told = capsys.readouterr().out
        assert f"ATOM's network of boxes{note}\n" in told and "fits        yes" in told


def test_a_deeper_backbone_is_told(recorded):
    """ToMP's other network has more blocks of the same shapes."""
    shapes = recorded.json("checkpoint_keys_tomp50.json")
    block = {key: shape for key, shape in shapes.items() if ".layer3.5." in key}
    for number in range(6, 23):
        shapes |= {key.replace(".5.", f".{number}.", 1): shape for key, shape in block.items()}
    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    layout = find_layout(list(weights), NETWORKS)
    assert layout.name == "tomp101"
    plan = plan_conversion(weights, layout, expected_shapes(layout))
    assert plan.complete and not plan.absent()


def test_prdimp_with_the_smaller_backbone_is_told(recorded):
    """Its file is DiMP's but for the optimiser, which is that of the larger PrDiMP."""
    shapes, other = (
        recorded.json(f"checkpoint_keys_{name}.json") for name in ("dimp18", "prdimp50")
    )
    optimizer = "classifier.filter_optimizer."
    kept = {key: shape for key, shape in shapes.items() if not key.startswith(optimizer)}
    kept |= {key: shape for key, shape in other.items() if key.startswith(optimizer)}
    weights = {key: torch.empty(shape, device="meta") for key, shape in kept.items()}
    layout = find_layout(list(weights), NETWORKS)
    assert layout.name == "prdimp18"
    plan = plan_conversion(weights, layout, expected_shapes(layout))
    assert plan.complete and not plan.absent()


def test_what_is_dropped_is_never_run(recorded):
    """Of the backbone the classifier of images; of KeepTrack's, which is not run, all.

    ToMP's token of the target is there twice.
    """
    for name in RELEASED:
        names = list(recorded.json(f"checkpoint_keys_{name}.json"))
        keys = find_layout(names, NETWORKS).keys
        dropped = {key for key in names if keys.translate(key)[0] is None}
        backbone = {key for key in names if key.startswith("feature_extractor.")}
        unused = {key for key in backbone if key.split(".")[1] in ("layer4", "fc")}
        unused |= {key for key in names if ".query_embed_fg." in key}
        assert dropped == (backbone if name == "keep_track" else unused)


@pytest.fixture(scope="module")
def content(recorded):
    """What a published file holds beside objects of its program."""
    shapes = recorded.json("checkpoint_keys_dimp18.json")
    weights = {
        key: torch.full(shape, float(number), dtype=torch.float16)
        for number, (key, shape) in enumerate(shapes.items())
    }
    return dict(epoch=50, net_type="DiMPnet", net=weights, net_info={"version": None})


def test_the_weights_of_a_training_checkpoint_are_converted(content, tmp_path, capsys):
    torch.save(content, tmp_path / "dimp18.pth")
    goal = tmp_path / "dimp18.safetensors"
    assert main(["convert", str(tmp_path / "dimp18.pth"), str(goal)]) == 0
    assert "DiMP with ResNet-18" in capsys.readouterr().out
    found = load_weights(goal)
    for number, key in enumerate(content["net"]):
        ours = DIMP_KEYS.translate(key)[0]
        assert ours is None or (found[ours] == number).all()


def test_published_files_hold_objects_of_their_program(content, tmp_path, capsys, monkeypatch):
    """Of which only the attributes are read."""
    module = ModuleType("training_program")
    module.Constructor = type("Constructor", (), {"__module__": module.__name__})
    constructor = module.Constructor()
    constructor.fun_name, constructor.kwds = "dimpnet18", {"filter_size": 4}
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save({**content, "constructor": constructor}, tmp_path / "dimp18.pth.tar")
    monkeypatch.delitem(sys.modules, module.__name__)
    source, goal = str(tmp_path / "dimp18.pth.tar"), tmp_path / "dimp18.safetensors"
    assert main(["doctor", "--checkpoint", source]) == 0
    assert "DiMP with ResNet-18" in capsys.readouterr().out
    assert main(["convert", source, str(goal)]) == 0
    assert load_weights(goal)
    with pytest.raises(InputError, match=r"training_program\.Constructor.*vovtrack convert"):
        load_weights(source)
