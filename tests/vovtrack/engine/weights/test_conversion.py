"""Checkpoints in the original layout become ours, key by key and bit by bit."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
import torchvision
from seeded import seeded_state_dict

from detpro.models.key_map import CASCADE, CASCADE_STAGES, DETPRO, SOCO
from ovtrack.models.key_map import OVTRACK
from vovtrack.engine.configs import read_config
from vovtrack.engine.shipped import SHIPPED
from vovtrack.engine.weights.backbones import DETECTRON2, MMDET3, TORCHVISION
from vovtrack.engine.weights.checkpoint import load_checkpoint_into, load_weights, read_metadata
from vovtrack.engine.weights.conversion import CARD, convert, plan_conversion, write_converted
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.registry import MODELS

ALL = (OVTRACK, CASCADE, DETPRO, SOCO, DETECTRON2, TORCHVISION, MMDET3)
GOLDEN = {
    OVTRACK: ("checkpoint_keys_tracker.json", 448),
    DETPRO: ("checkpoint_keys_detector.json", 444),
    CASCADE: ("checkpoint_keys_detector.json", 584),
}
STAGED = ("bbox_head", "mask_head", "projection", "projection_for_image")
CLIP = {
    "roi_head.clip_model.visual.conv1.weight": torch.ones(4, 3, 2, 2).half(),
    "roi_head.clip_model.logit_scale": torch.tensor(4.6),
}


def build(layout):
    cfg = read_config(SHIPPED / layout.config)
    cfg.merge_from_dict({"model": dict(layout.overrides)})
    return MODELS.build(cfg.model)


def staged(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    """The keys of a released cascade: those of one stage, numbered, and what all stages share."""
    found = {}
    for key, shape in shapes.items():
        head, part, *rest = key.split(".", 2)
        own = head == "roi_head" and part in STAGED
        names = [f"{head}.{part}.{i}.{rest[0]}" for i in range(CASCADE_STAGES)] if own else [key]
        found.update(dict.fromkeys(names, shape))
    return found


def original(layout, golden_path) -> dict[str, torch.Tensor]:
    name, count = GOLDEN[layout]
    shapes = json.loads((golden_path / name).read_text())
    if layout is CASCADE:
        shapes = staged(shapes)
    assert len(shapes) == count
    return seeded_state_dict(shapes, "a")


@pytest.mark.golden
@pytest.mark.parametrize("layout", GOLDEN, ids=lambda layout: layout.name)
def test_released_layouts_convert_completely(layout, golden_path, tmp_path):
    """mmcv's layout -> ours on disk -> loaded into our model: every tensor is its seed."""
    weights = original(layout, golden_path)
    stem, stage = next(iter(layout.stages.items()), ("any", None))
    source, target = tmp_path / f"{stem}.pth", tmp_path / "ours.safetensors"
    meta = {"config": "import os\nos.system('false')", "epoch": 20, "CLASSES": None}
    torch.save({"meta": meta, "state_dict": {**weights, **CLIP}, "optimizer": {}}, source)

    plan, ours, card = convert(source, ALL)
    assert plan.layout is layout and plan.complete
    beside = write_converted(target, plan, ours, card)
    written = load_weights(target)
    assert len(written) == len(weights)
    for row in plan.rows:
        if row.source in CLIP:
            assert row.state == "dropped" and "CLIP" in row.why
        else:
            assert torch.equal(written[row.ours], weights[row.source])
            assert written[row.ours].dtype == weights[row.source].dtype
    inside = "detector." if layout is OVTRACK else ""
    for leaf in ("weight", "bias"):
        assert torch.equal(
            written[f"{inside}roi_head.classifier.background.{leaf}"],
            weights[f"roi_head.bg_embedding.{leaf}"],
        )

    model = build(layout)
    load_checkpoint_into(model, target)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in written.items()
    }
    assert all(torch.equal(value, written[key]) for key, value in model.state_dict().items())

    assert json.loads(beside.read_text()) == json.loads(read_metadata(target)[CARD]) == card
    assert card["source"] == source.name and card["source_sha256"] == file_sha256(source)
    assert (card["kind"], card["stage"]) == (layout.name, stage)
    assert card["counts"]["written"] == len(weights)
    assert card["dropped"][0]["keys"] == sorted(CLIP)
    assert card["left behind"] == ["meta", "optimizer"]

    again = convert(target, ALL)
    assert again[0].complete and {row.state for row in again[0].rows} == {"kept"}


def test_a_tracker_drops_the_mask_head_of_its_detector(golden_path, tmp_path):
    weights = original(OVTRACK, golden_path)
    weights["roi_head.mask_head.upsample.bias"] = torch.ones(256)
    torch.save(weights, tmp_path / "w.pth")
    plan, ours, card = convert(tmp_path / "w.pth", ALL)
    assert plan.complete and len(ours) == 448
    assert "mask head" in card["dropped"][0]["why"]


@pytest.fixture(scope="module")
def detector(golden_path):
    return original(DETPRO, golden_path)


@pytest.fixture(scope="module")
def expected(detector):
    return {DETPRO.keys.translate(key)[0]: tuple(v.shape) for key, v in detector.items()}


def states(weights, expected, layout=DETPRO):
    plan = plan_conversion(weights, layout, expected)
    return plan.complete, {row.ours: row.state for row in plan.faults}


@pytest.mark.parametrize(
    ("change", "key", "state"),
    [
        ("drop", "roi_head.bg_embedding.bias", "missing"),
        ("drop", "roi_head.mask_head.conv_logits.bias", "missing"),
        ("reshape", "rpn_head.rpn_cls.weight", "wrong shape"),
        ("add", "roi_head.extra.weight", "unexpected"),
    ],
)
def test_what_does_not_fit_is_found(detector, expected, change, key, state):
    weights = dict(detector)
    if change == "drop":
        del weights[key]
    else:
        weights[key] = torch.zeros(7)
    ours = DETPRO.keys.translate(key)[0]
    assert states(weights, expected) == (False, {ours: state})


def test_counters_and_a_whole_mask_head_may_be_missing(detector, expected):
    weights = {
        key: value
        for key, value in detector.items()
        if not key.endswith("num_batches_tracked") and "mask_head" not in key
    }
    assert states(weights, expected) == (True, {})


def test_two_tensors_of_one_name_are_refused(detector, expected):
    weights = dict(detector)
    weights["roi_head.classifier.background.bias"] = torch.zeros(512)
    complete, found = states(weights, expected)
    assert not complete and found == {"roi_head.classifier.background.bias": "unexpected"}


def test_the_names_of_data_parallel_training_are_understood(detector, expected):
    wrapped = {f"module.{key}": value for key, value in detector.items()}
    assert DETPRO.matches(wrapped) and states(wrapped, expected) == (True, {})


def test_an_incomplete_file_writes_nothing(golden_path, tmp_path):
    weights = original(OVTRACK, golden_path)
    del weights["roi_head.track_head.fc_embed.weight"]
    torch.save(weights, tmp_path / "w.pth")
    plan, ours, card = convert(tmp_path / "w.pth", ALL)
    with pytest.raises(InputError, match=r"1 tensors do not fit.*missing 'track_head\.fc_embed"):
        write_converted(tmp_path / "o.safetensors", plan, ours, card)
    assert [p.name for p in tmp_path.iterdir()] == ["w.pth"]


@pytest.fixture(scope="module")
def resnet():
    """Torchvision's model with random weights and statistics, which do not cancel errors."""
    torch.manual_seed(0)
    model = torchvision.models.resnet50(weights=None).eval()
    for name, value in model.named_buffers():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name else -0.5))
    return model


def features(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What torchvision's four stages make of images; differs by style from mmdet's caffe."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    return model.layer4(model.layer3(model.layer2(model.layer1(x))))


def our_features(path, layout, images) -> torch.Tensor:
    plan, ours, card = convert(path, ALL)
    assert plan.layout is layout and plan.complete, plan.faults
    backbone = MODELS.build(dict(type="ResNet", depth=50, style="pytorch"))
    backbone.to(images.dtype).eval()
    backbone.load_state_dict({k.removeprefix("backbone."): v for k, v in ours.items()})
    return backbone(images)[-1]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["torchvision", "mmdet3"])
def test_resnets_compute_what_they_did(kind, resnet, tmp_path):
    weights = resnet.state_dict()
    layout = TORCHVISION
    if kind == "mmdet3":
        layout = MMDET3
        weights = {f"backbone.{k}": v for k, v in weights.items() if not k.startswith("fc.")}
        weights = {"state_dict": {**weights, "neck.lateral_convs.0.conv.weight": torch.ones(1)}}
    torch.save(weights, tmp_path / "r50.pth")
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        our_features(tmp_path / "r50.pth", layout, images), features(resnet, images)
    )


def detectron2_names(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The other way round: how detectron2 names a ResNet; frozen norms have no counter."""
    renamed = {}
    for key, value in weights.items():
        if key.startswith("fc.") or key.endswith("num_batches_tracked"):
            continue
        parts = key.split(".")
        leaf, part = parts[-1], parts[-2]
        if "downsample" in parts:
            part = "shortcut" if part == "0" else "shortcut.norm"
        else:
            part = part.replace("bn", "conv") + (".norm" if part.startswith("bn") else "")
        place = f"res{int(parts[0][5:]) + 1}.{parts[1]}" if key.startswith("layer") else "stem"
        renamed[f"{prefix}{place}.{part}.{leaf}"] = value
    return renamed


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "backbone.bottom_up."])
@pytest.mark.parametrize("recorded", [None, "caffe", "rgb"])
def test_detectron2_sees_the_same_picture(prefix, recorded, resnet, tmp_path):
    """Its own preparation and ours of one image give the same features, in double precision."""
    resnet = copy.deepcopy(resnet).double()
    weights = detectron2_names(resnet.state_dict(), prefix)
    ours_mean = torch.tensor([123.675, 116.28, 103.53], dtype=torch.double)
    ours_std = torch.tensor([58.395, 57.12, 57.375], dtype=torch.double)
    mean, std = ours_mean.flip(0), torch.ones(3, dtype=torch.double)
    if recorded == "rgb":
        mean, std = ours_mean, ours_std
    if recorded is not None:
        weights |= {"pixel_mean": mean.view(3, 1, 1), "pixel_std": std.view(3, 1, 1)}
    torch.save({"model": weights}, tmp_path / "d2.pth")
    rgb = torch.rand(1, 3, 64, 64, dtype=torch.double) * 255
    theirs = rgb if recorded == "rgb" else rgb.flip(1)
    theirs = (theirs - mean[:, None, None]) / std[:, None, None]
    ours = (rgb - ours_mean[:, None, None]) / ours_std[:, None, None]
    torch.testing.assert_close(
        our_features(tmp_path / "d2.pth", DETECTRON2, ours), features(resnet, theirs)
    )


@pytest.mark.parametrize("std", [[1.0], [1.0, 0.0, 1.0]])
def test_a_picture_that_cannot_be_is_refused(std, resnet, tmp_path):
    weights = detectron2_names(resnet.state_dict(), "") | {"pixel_std": torch.tensor(std)}
    torch.save({"model": weights}, tmp_path / "d2.pth")
    with pytest.raises(InputError, match="three channels"):
        convert(tmp_path / "d2.pth", ALL)


def test_only_the_first_convolution_of_detectron2_changes(resnet, tmp_path):
    torch.save({"model": detectron2_names(resnet.state_dict(), "")}, tmp_path / "d2.pth")
    _, ours, card = convert(tmp_path / "d2.pth", ALL)
    changed = [k for k, v in ours.items() if not torch.equal(v, resnet.state_dict()[k[9:]])]
    assert changed == ["backbone.conv1.weight"] and "BGR" in card["notes"][-1]


@pytest.mark.parametrize("raw", [True, False])
def test_soco_fills_backbone_neck_and_text_branch(raw, detector, resnet, tmp_path):
    """SoCo's own file, and the one that its converter makes of it for mmdet 2."""
    parts = {k: v for k, v in detector.items() if k.startswith(("backbone.", "neck."))}
    head = {
        k: v
        for k, v in detector.items()
        if k.startswith(("roi_head.bbox_head.shared_convs.", "roi_head.bbox_head.shared_fcs."))
    }
    weights = {"state_dict": {**parts, **head}}
    if raw:
        own = {k.replace("backbone.", "encoder."): v for k, v in parts.items()}
        for key, value in head.items():
            *_, layer, kind, leaf = key.split(".")
            number = int(layer) + 1 if "shared_convs" in key else None
            own[f"head.{kind}{number}.{leaf}" if number else f"head.fc1.{leaf}"] = value
        slow = {"encoder_k.conv1.weight": torch.ones(1), "projector.0.weight": torch.ones(1)}
        weights = {"model": {f"module.{k}": v for k, v in {**own, **slow}.items()}}
    torch.save(weights, tmp_path / "soco.pth")
    plan, ours, card = convert(tmp_path / "soco.pth", ALL)
    assert plan.layout is SOCO and plan.complete, plan.faults
    assert len(ours) == len(parts) + len(head)
    for key, value in {**parts, **head}.items():
        assert torch.equal(ours[DETPRO.keys.translate(key)[0]], value)
    assert any("3x3" in note for note in card["notes"])


def test_unknown_files_are_refused(tmp_path):
    torch.save({"a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"'a', 'b'.*no known kind"):
        convert(tmp_path / "w.pth", ALL)


def test_a_pickle_of_detectron2_is_refused(tmp_path):
    content = {"model": {"stem.conv1.weight": np.ones(3)}, "__author__": "x"}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match=r"R-50\.pkl.*a pickle, but none that torch wrote"):
        convert(tmp_path / "R-50.pkl", ALL)
