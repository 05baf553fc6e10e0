"""What a weight file is, told from what is in it."""

from __future__ import annotations

import json

import pytest
import torch
from seeded import seeded_state_dict

from vovtrack.cli.convert import layouts
from vovtrack.cli.main import main
from vovtrack.engine.configs import find_config, read_config
from vovtrack.engine.shipped import SHIPPED
from vovtrack.engine.weights.inspection import inspect_checkpoint
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.models.clip.text_bank import save_text_bank

MINI = SHIPPED / "saved_models/mini/ovtrack_mini.safetensors"
R50 = "ovtrack_r50_reverse_without_inference"


def facts(path) -> dict[str, str]:
    return dict(inspect_checkpoint(path, layouts()).facts)


@pytest.fixture(scope="module")
def tracker(golden_path):
    shapes = json.loads((golden_path / "checkpoint_keys_tracker.json").read_text())
    return seeded_state_dict(shapes, "a")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_training_checkpoint(legacy, tmp_path):
    path = tmp_path / "epoch_3.pth"
    content = {
        "state_dict": {"track_head.fc.weight": torch.ones(2, 3).half()},
        "meta": {"epoch": 3, "iter": 120, "cfg": "x", "dataset_meta": {"classes": ["cat", "dog"]}},
        "optimizer": {},
        "param_schedulers": [],
        "message_hub": {},
    }
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    found = facts(path)
    assert ("before 1.6" in found["format"]) is legacy
    assert found["size"] == f"{path.stat().st_size} bytes" and found["sha256"] == file_sha256(path)
    assert found["kind"] == "tracker (stages 3 and 4)"
    assert found["tensors"] == "1 with 6 numbers, float16"
    assert found["training"] == "epoch 3, iter 120" and "never run" in found["config"]
    assert "2 classes: cat, dog" in found["vocabulary"]
    assert found["resume"].startswith("possible")
    del content["optimizer"]
    torch.save(content, path)
    assert facts(path)["resume"] == "not possible: no optimizer"


def test_the_shipped_files():
    found = facts(MINI)
    assert found["kind"] == "tracker (stages 3 and 4)"
    assert "64 dimensions" in found["CLIP"]
    assert "no optimizer" in found["resume"] and "safetensors" in found["format"]
    clip = facts(MINI.with_name("clip_mini.safetensors"))
    assert clip["kind"] == "CLIP" and "64 dimensions" in clip["CLIP"]


def test_banks_of_text_embeddings(tmp_path):
    save_text_bank(tmp_path / "bank.safetensors", torch.randn(3, 8), ["a", "b", "\x1b[31mc"])
    torch.save(torch.randn(1, 1203, 512), tmp_path / "iou_neg5_ens.pth")
    bank = facts(tmp_path / "bank.safetensors")
    assert bank["kind"] == "text embeddings of a vocabulary"
    assert bank["vocabulary"].startswith("3 classes of 8 dimensions: a, b, ?[31mc")
    released = facts(tmp_path / "iou_neg5_ens.pth")
    assert released["vocabulary"] == "1203 classes of 512 dimensions"


def test_a_converted_file_tells_its_origin(tracker, tmp_path):
    source, target = tmp_path / "ovtrack_pair.pth", tmp_path / "pair.safetensors"
    torch.save({"state_dict": tracker}, source)
    assert "named as elsewhere" in facts(source)["kind"]
    assert main(["convert", str(source), str(target)]) == 0
    found = facts(target)
    assert found["kind"] == "tracker (stages 3 and 4)"
    assert file_sha256(source) in found["card"] and "stage 3" in found["card"]
    assert "512 dimensions" in found["CLIP"]


def test_fitting_a_config_in_its_old_names(tracker, tmp_path):
    torch.save({"state_dict": tracker}, tmp_path / "w.pth")
    config = read_config(find_config(R50))
    inspection = inspect_checkpoint(tmp_path / "w.pth", layouts(), config)
    assert inspection.fits and "fits        yes" in "\n".join(inspection.lines())


def test_what_does_not_fit_is_listed(tracker, tmp_path, capsys):
    weights = {k: v for k, v in tracker.items() if "track_head.convs" not in k}
    weights["rpn_head.rpn_cls.bias"] = torch.ones(5)
    weights["roi_head.mask_head.upsample.bias"] = torch.ones(256)
    weights["extra"] = torch.ones(1)
    torch.save(weights, tmp_path / "w.pth")
    words = ["doctor", "--checkpoint", str(tmp_path / "w.pth"), "--config", R50]
    assert main(words) == 1
    report = capsys.readouterr().out
    assert "NO, 14 tensors do not" in report
    for line in (
        "missing: track_head.convs.0.conv.weight 256x256x3x3",
        "wrong shape: detector.rpn_head.rpn_cls.bias 5 expected (3,)",
        "unexpected: extra 1",
    ):
        assert line in report
    assert "mask_head" not in report


def test_the_shipped_tracker_fits_its_config_and_no_other(capsys):
    assert main(["doctor", "--checkpoint", str(MINI), "--config", "mini"]) == 0
    assert main(["doctor", "--checkpoint", str(MINI), "--config", R50]) == 1
    assert main(["doctor", "--config", "mini"]) == 2
    assert "give both" in capsys.readouterr().err


def test_unreadable_cards_and_names_are_said_to_be_so(tmp_path):
    from vovtrack.engine.weights.checkpoint import save_weights

    texts = {"card": "[" * 100_000, "names": "{", "note": "\x1b]0;title\x07" + "x" * 9999}
    save_weights({"a": torch.ones(1)}, tmp_path / "w.safetensors", texts)
    found = facts(tmp_path / "w.safetensors")
    assert found["card"] == "card: unreadable" and found["kind"] == "unknown"
    lines = inspect_checkpoint(tmp_path / "w.safetensors", layouts()).lines()
    assert all(line.isprintable() and len(line) < 300 for line in lines)


def test_names_that_cannot_be_printed_are_refused(tmp_path):
    torch.save({"\x1b[31mred": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="printable names"):
        inspect_checkpoint(tmp_path / "w.pth", layouts())
