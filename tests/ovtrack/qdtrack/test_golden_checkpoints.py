"""Checkpoints of other projects: every tensor in, the same number out."""

from __future__ import annotations

import re

import pytest
import torch

from ovtrack.models.qdtrack_keys import QDTRACK, QDTRACK_KEYS, QDTRACK_YOLOX, YOLOX
from ovtrack.system import TRACKING
from tests.ovtrack.qdtrack.released import MODELS_OF
from vovtrack.engine.weights.backbones import BACKBONES
from vovtrack.engine.weights.conversion import (
    convert,
    expected_shapes,
    find_layout,
    plan_conversion,
    write_converted,
)
from vovtrack.engine.weights.inspection import inspect_checkpoint
from vovtrack.errors import InputError

ALL = (*TRACKING.layouts, *BACKBONES)
LAYOUT_OF = {"frcnn": QDTRACK, "yolox": QDTRACK_YOLOX}
EARLIER = {"faster_rcnn_head.": "faster_rcnn_heads.", "qdtrack_head.": "qdtrack."}
"""What vis4d calls modules -> what it called them before."""


@pytest.fixture(scope="module", params=MODELS_OF)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def shapes(kind, recorded):
    return recorded.json(f"checkpoint_keys_{kind}.json")


@pytest.fixture(scope="module")
def weights(shapes):
    """Tensors of these names and shapes, each with a number of its own, that take no memory."""
    return {
        key: torch.tensor(float(number)).expand(shape)
        for number, (key, shape) in enumerate(shapes.items())
    }


@pytest.fixture(scope="module")
def expected(kind):
    return expected_shapes(LAYOUT_OF[kind])


def plan_of(weights, expected):
    layout = find_layout(list(weights), ALL)
    return layout, plan_conversion(weights, layout, expected)


def test_every_tensor_has_its_place(kind, shapes, weights, expected):
    layout, plan = plan_of(weights, expected)
    assert layout is LAYOUT_OF[kind]
    assert plan.complete and not plan.absent()
    assert plan.counts() == {"renamed": len(shapes)}
    assert {row.ours for row in plan.rows} == set(expected)
    assert len(expected) == len(shapes)


def test_our_own_names_stay(kind, expected):
    weights = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    layout, plan = plan_of(weights, expected)
    assert layout is LAYOUT_OF[kind]
    assert plan.counts() == {"kept": len(expected)}


@pytest.mark.parametrize("wrapper", ["model.", "model.model.", "module.", "model.ema_model."])
def test_wrapped_names_are_understood(wrapper, weights, expected):
    _, plan = plan_of({wrapper + key: value for key, value in weights.items()}, expected)
    assert plan.complete and plan.counts() == {"renamed": len(weights)}


def test_earlier_names_are_understood(kind, weights, expected):
    def earlier(key: str) -> str:
        for now, then in EARLIER.items():
            key = key.replace(now, then)
        return re.sub(r"^basemodel\.", "backbone.body.", key)

    _, plan = plan_of({earlier(key): value for key, value in weights.items()}, expected)
    assert plan.complete and plan.counts() == {"renamed": len(weights)}


def test_of_a_model_and_its_average_the_average_is_taken(weights, expected):
    both = {f"model.model.{key}": -1 - value for key, value in weights.items()}
    both |= {f"model.ema_model.{key}": value for key, value in weights.items()}
    _, plan = plan_of(both, expected)
    assert plan.complete
    assert plan.counts() == {"renamed": len(weights), "dropped": len(weights)}
    taken = {row.source for row in plan.rows if row.state == "renamed"}
    assert taken == {f"model.ema_model.{key}" for key in weights}
    reasons = {row.why for row in plan.rows if row.state == "dropped"}
    assert reasons == {"a copy: those of 'model.ema_model.' are taken"}
    QDTRACK_KEYS.apply(both)
    assert len(both) == len(weights) and all((value >= 0).all() for value in both.values())


def test_values_return_to_their_own_names(weights):
    moved = dict(weights)
    QDTRACK_KEYS.apply(moved)
    names = {key: ours for key, (ours, _) in QDTRACK_KEYS.translate_all(weights).items()}
    assert len(moved) == len(weights) == len(set(names.values()))
    assert all(moved[names[key]] is value for key, value in weights.items())


@pytest.fixture(scope="module")
def headless(recorded, tmp_path_factory):
    """A training checkpoint of a detector alone; its numbers are small to write and to read."""
    shapes = recorded.json("checkpoint_keys_frcnn.json")
    weights = {
        f"model.{key}": torch.zeros(shape, dtype=torch.uint8)
        for key, shape in shapes.items()
        if not key.startswith("qdtrack_head.")
    }
    path = tmp_path_factory.mktemp("headless") / "last.ckpt"
    torch.save({"state_dict": weights, "epoch": 3}, path)
    yield path, len(shapes) - len(weights)
    path.unlink()


def test_a_file_without_embedding_head_is_refused_by_its_name(headless, capsys):
    from vovtrack.cli.main import main

    path, missing = headless
    plan, ours, card = convert(path, ALL)
    assert plan.absent() == {"track_head": missing} and card["kind"] == "qdtrack"
    target = path.with_name("out.safetensors")
    with pytest.raises(InputError, match=rf"missing 'track_head' \({missing} tensors\)"):
        write_converted(target, plan, ours, card)
    assert not target.exists()
    assert main(["convert", str(path), "--check"]) == 1
    assert f"missing: 'track_head' ({missing} tensors)" in capsys.readouterr().out


def test_doctor_knows_the_file(headless):
    facts = dict(inspect_checkpoint(headless[0], ALL).facts)
    assert facts["kind"] == f"{QDTRACK.what}; its keys are named as elsewhere or earlier"


@pytest.fixture(params=["track_head.track_head.", "track_head.embed_head."])
def renamed(request):
    """Our tensors by the names of the older QDTrack and of mmdet, which share the detector's."""
    return {
        re.sub(r"^track_head\.", request.param, key): torch.empty(shape, device="meta")
        for key, shape in expected_shapes(QDTRACK).items()
    }


def test_older_and_mmdet_names(renamed):
    layout, plan = plan_of(renamed, expected_shapes(QDTRACK))
    assert layout is QDTRACK and plan.complete and len(plan.rows) == len(renamed)


def test_any_number_of_classes_but_no_other_width(renamed):
    expected = expected_shapes(QDTRACK)
    for part, rows in (("fc_cls", 2), ("fc_reg", 4)):
        for leaf in ("weight", "bias"):
            key = f"detector.roi_head.bbox_head.{part}.{leaf}"
            renamed[key] = torch.empty(rows, *expected[key][1:], device="meta")
    assert plan_conversion(renamed, QDTRACK, expected).complete
    renamed["detector.roi_head.bbox_head.fc_cls.weight"] = torch.empty(2, 7, device="meta")
    faults = plan_conversion(renamed, QDTRACK, expected).faults
    assert [row.state for row in faults] == ["wrong shape"]


def test_a_detector_to_start_from():
    expected = expected_shapes(YOLOX)
    coco = {
        key.removeprefix("detector."): torch.empty(shape, device="meta")
        for key, shape in expected.items()
        if key.startswith("detector.")
    }
    for level in range(3):
        for leaf in ("weight", "bias"):
            key = f"bbox_head.multi_level_conv_cls.{level}.{leaf}"
            coco[key] = torch.empty(80, *coco[key].shape[1:], device="meta")
    coco["ema_backbone_stem_conv_conv_weight"] = torch.empty(80, 12, 3, 3, device="meta")
    layout, plan = plan_of(coco, expected)
    assert layout is YOLOX and plan.complete
    assert plan.counts() == {"renamed": len(coco) - 1, "dropped": 1}
