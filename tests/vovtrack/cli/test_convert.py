"""``vovtrack convert`` as a user types it."""

from __future__ import annotations

import json

import pytest
import torch
from seeded import seeded_state_dict

from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import load_weights


@pytest.fixture(scope="module")
def released(golden_path, tmp_path_factory):
    """A detector as its authors saved it, CLIP included."""
    shapes = json.loads((golden_path / "checkpoint_keys_detector.json").read_text())
    weights = seeded_state_dict(shapes, "a")
    weights["roi_head.clip_model.positional_embedding"] = torch.ones(77, 2).half()
    path = tmp_path_factory.mktemp("released") / "detpro_stage2_finetune.pth"
    torch.save({"meta": {}, "state_dict": weights}, path)
    return path, weights


def test_a_file_and_its_card_are_written(released, tmp_path, capsys):
    source, weights = released
    target = tmp_path / "stage2.safetensors"
    assert main(["convert", str(source), str(target)]) == 0
    assert "386 kept, 58 renamed, 1 dropped" in capsys.readouterr().out
    assert len(load_weights(target)) == len(weights) - 1
    card = json.loads((tmp_path / "stage2.json").read_text())
    assert (card["kind"], card["stage"]) == ("detpro", 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stage2.json", "stage2.safetensors"]


def test_check_prints_every_tensor_and_writes_nothing(released, capsys):
    source, weights = released
    before = sorted(source.parent.iterdir())
    assert main(["convert", str(source), "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[1]: line.split() for line in lines[1 : 1 + len(weights)]}
    assert set(rows) == set(weights)
    assert rows["roi_head.projection.weight"] == [
        *("renamed", "roi_head.projection.weight", "roi_head.bbox_head.text_branch.proj.weight"),
        *("512x1024", "float32"),
    ]
    assert rows["roi_head.clip_model.positional_embedding"][:3] == [
        *("dropped", "roi_head.clip_model.positional_embedding", "-"),
    ]
    assert rows["neck.fpn_convs.0.bn.bias"][0] == "kept"
    assert lines[-1].endswith(": complete") and sorted(source.parent.iterdir()) == before


def test_check_of_an_incomplete_file_fails(released, tmp_path, capsys):
    weights = dict(released[1])
    del weights["roi_head.bg_embedding.weight"]
    weights["rpn_head.rpn_reg.bias"] = torch.ones(3)
    weights["roi_head.what"] = torch.ones(1)
    source, target = tmp_path / "w.pth", tmp_path / "o.safetensors"
    torch.save(weights, source)
    assert main(["convert", str(source), str(target), "--check"]) == 1
    report = capsys.readouterr().out
    starts = [line.split("  ")[0] for line in report.splitlines()]
    for state in ("missing", "unexpected", "wrong shape"):
        assert starts.count(state) == 1
    *_, summary, absent = report.strip().splitlines()
    assert summary.endswith("NOT complete")
    assert absent == "missing: 'roi_head.classifier.background.weight' (1 tensors)"
    assert main(["convert", str(source), str(target)]) == 2
    assert "Nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{}"], "OUT.safetensors"),
        (["{}", "o.pth"], "end it in .safetensors"),
        (["missing.pth", "o.safetensors"], "missing.pth' does not exist"),
        (["{}", "o.safetensors", "--kind", "ovtrack"], "not a complete tracker"),
        (["{}", "o.safetensors", "--kind", "soco"], "not a complete SoCo"),
        (["{}", "file/o.safetensors"], "cannot be written"),
    ],
)
def test_mistakes_are_sentences(released, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["convert", *(word.format(released[0]) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_backbone_can_be_taken_out_of_a_detector(released, tmp_path):
    source, weights = released
    target = tmp_path / "o.safetensors"
    assert main(["convert", str(source), str(target), "--kind", "mmdet3"]) == 0
    backbone = {key for key in weights if key.startswith("backbone.")}
    written = load_weights(target)
    assert set(written) == backbone
    assert all(torch.equal(written[key], weights[key]) for key in backbone)


def test_the_source_is_not_replaced(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"x")
    assert main(["convert", str(path), str(path)]) == 2
    assert "also the file to convert" in capsys.readouterr().err and path.read_bytes() == b"x"
