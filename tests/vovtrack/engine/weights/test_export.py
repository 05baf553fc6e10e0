"""Slim files and ONNX graphs compute what the checkpoint computes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from vovtrack.cli.main import main
from vovtrack.engine.load import load_tracker
from vovtrack.engine.weights.checkpoint import load_weights, read_metadata
from vovtrack.engine.weights.export import export_onnx, export_slim
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256

CLASSES = ["striped red star", "dotted blue circle"]


@pytest.fixture
def checkpoint(tmp_path):
    """A training checkpoint of the mini tracker, with optimiser and moving average."""
    weights = load_weights("saved_models/mini/ovtrack_mini.safetensors")
    weights = {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
    raw = {f"module.{k}": v + 1 for k, v in weights.items()} | {"steps": torch.tensor(7)}
    path = tmp_path / "epoch_1.pth"
    content = dict(state_dict=weights, ema_state_dict=raw, optimizer=dict(state=weights))
    torch.save(dict(content, meta=dict(epoch=1)), path)
    return path, weights


def test_a_slim_file_holds_the_weights_alone(repository, checkpoint, tmp_path):
    path, weights = checkpoint
    out = tmp_path / "slim.safetensors"
    assert export_slim(path, out, note="mini world") == len(weights)
    assert out.stat().st_size < path.stat().st_size / 4
    found = load_weights(out)
    for name, weight in weights.items():
        stored = weight.half() if weight.is_floating_point() else weight
        assert torch.equal(found[name], stored.to(found[name].dtype))
    assert read_metadata(out) == {"source_sha256": file_sha256(path), "note": "mini world"}
    export_slim(path, out, half=False, raw=True)
    name = next(k for k, v in weights.items() if v.is_floating_point())
    assert torch.equal(load_weights(out)[name], weights[name] + 1)
    load_tracker("mini", path, CLASSES)


def test_a_checkpoint_without_average_says_so(repository, tmp_path):
    torch.save(dict(state_dict=dict(a=torch.ones(2))), tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds no moving average"):
        export_slim(tmp_path / "a.pth", tmp_path / "b.safetensors", raw=True)
    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.slow
def test_onnx_computes_what_the_tracker_computes(repository, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    card = export_onnx("mini", None, tmp_path, CLASSES)
    assert json.loads((tmp_path / "export.json").read_text()) == card
    assert set(card["files"]) == {"maps.onnx", "regions.onnx", "association.onnx"}
    for name, entry in card["files"].items():
        assert entry["largest_difference"] < 1e-4
        assert entry["sha256"] == file_sha256(tmp_path / name)
    # The regions of an image, pooled by torch, get the same class probabilities from the graph.
    model = load_tracker("mini", classes=CLASSES, device="cpu").model
    image = torch.randn(1, 3, 192, 256, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(tmp_path / "maps.onnx"))
    maps = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        detector = model.detector
        feats = detector.extract_feat(image)
        rois = torch.tensor([[0, 5, 5, 60, 80], [0, 30, 20, 200, 150.0]])
        extractor = detector.roi_head.bbox_roi_extractor
        pooled = extractor(feats[: extractor.num_inputs], rois)
        outputs = detector.roi_head.bbox_head(pooled)
        classifier = detector.roi_head.classifier
        logits = classifier.logits(outputs.text_embeds, classifier.test_temperature)
    assert np.allclose(maps[0], feats[0].numpy(), atol=1e-4)
    embeds = load_weights(tmp_path / "class_embeds.safetensors")
    bank = torch.cat([embeds["class_embeds"], embeds["context_embeds"]])
    assert (
        len(embeds["class_embeds"]) == 3
        and json.loads(read_metadata(tmp_path / "class_embeds.safetensors")["names"]) == CLASSES
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "regions.onnx"))
    found = session.run(None, {"regions": pooled.numpy(), "class_embeds": bank.numpy()})
    known = torch.from_numpy(found[3]).softmax(1)[:, : len(CLASSES)]
    assert np.allclose(known, logits.softmax(1)[:, :-1], atol=1e-4)
    assert np.allclose(found[1], outputs.text_embeds.numpy(), atol=1e-4)


def test_a_missing_extra_is_named(repository, tmp_path):
    program = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from vovtrack.cli.main import main\n"
        f"sys.exit(main(['export', '--onnx', {str(tmp_path / 'o')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'vovtrack[export]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command(repository, checkpoint, tmp_path, capsys):
    out = tmp_path / "slim.safetensors"
    assert main(["export", "--slim", str(checkpoint[0]), str(out)]) == 0
    assert f"{out}: {len(checkpoint[1])} tensors" in capsys.readouterr().out
    broken = tmp_path / "broken.pth"
    broken.write_bytes(checkpoint[0].read_bytes()[:1000])
    assert main(["export", "--slim", str(broken), str(out)]) == 2
    assert "Traceback" not in capsys.readouterr().err
