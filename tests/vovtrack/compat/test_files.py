"""Checkpoints: what would run code is refused, by our door and by mmengine's."""

from __future__ import annotations

import os
import pickle

import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint

from vovtrack.engine.checkpoint import (
    load_checkpoint_into,
    load_weights,
    read_metadata,
    save_weights,
)
from vovtrack.errors import InputError
from vovtrack.registry import MODELS


class Command:
    """Pickles into a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.fixture
def model():
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


@pytest.fixture(params=["system", "getattr"])
def evil(request, tmp_path):
    """A checkpoint that leaves a file behind when it is unpickled carelessly."""
    trace = tmp_path / "it_ran"
    payload = {
        "system": Command(os.system, f"touch {trace}"),
        "getattr": Command(getattr, HistoryBuffer, "__init__"),
    }[request.param]
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {}, "meta": payload}, path)
    return path, trace


def test_code_in_a_pickle_is_refused_and_not_run(evil, model):
    path, trace = evil
    for load in (load_weights, lambda p: load_checkpoint(model, str(p))):
        with pytest.raises(InputError, match=r"was not run.*VOVTRACK_TRUST_PICKLE"):
            load(path)
    assert not trace.exists()


def test_the_opt_in_is_explicit(tmp_path, model, monkeypatch):
    path = tmp_path / "odd.pth"
    torch.save({"state_dict": model.state_dict(), "meta": Command(pickle.loads, b"N.")}, path)
    with pytest.raises(InputError):
        load_weights(path)
    monkeypatch.setenv("VOVTRACK_TRUST_PICKLE", "1")
    assert set(load_weights(path)) == set(model.state_dict())


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_truncated_files_are_named(tmp_path, model, part, suffix):
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "pth":
        torch.save(model.state_dict(), whole)
    else:
        save_weights(model, whole)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * part)])
    with pytest.raises(InputError, match="cut"):
        load_weights(cut)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_weights(tmp_path / "nothing.pth")


def test_weights_and_their_description_survive(tmp_path, model):
    path = tmp_path / "w.safetensors"
    save_weights(model, path, {"source": "a test"})
    assert read_metadata(path) == {"source": "a test"}
    for key, value in load_weights(path).items():
        assert torch.equal(value, model.state_dict()[key])


def test_partial_loads_are_refused(tmp_path, model):
    path = tmp_path / "w.safetensors"
    weights = dict(model.state_dict())
    del weights["1.num_batches_tracked"]
    save_weights(weights, path)
    load_checkpoint_into(model, path)
    save_weights({k: v for k, v in weights.items() if k != "0.bias"}, path)
    with pytest.raises(InputError, match=r"lacks 1 .*0\.bias"):
        load_checkpoint_into(model, path)
    save_weights({**weights, "2.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"unexpected 1 .*2\.weight"):
        load_checkpoint_into(model, path)
    save_weights({**weights, "0.bias": torch.ones(5)}, path)
    with pytest.raises(InputError, match=r"size mismatch.*0\.bias"):
        load_checkpoint_into(model, path)


def test_mmengine_writes_atomically(tmp_path, monkeypatch):
    target = tmp_path / "epoch_1.pth"
    backend = get_file_backend(str(target))
    backend.put(b"first", target)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            backend.put(b"second", target)
    assert target.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_1.pth"]


@MODELS.register_module()
class LineModel(BaseModel):
    """Fits a line."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode="tensor"):
        """Loss of a batch."""
        return {"loss": (self.line(x) - x).square().mean()}


def make_runner(work_dir, epochs, **kwargs):
    return Runner(
        model=dict(type="LineModel"),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=[dict(x=torch.ones(1) * i) for i in range(4)],
            sampler=dict(type="DefaultSampler", shuffle=True),
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1)),
        default_scope="mmdet",
        experiment_name=f"line{epochs}{len(kwargs)}",
        randomness=dict(seed=0),
        **kwargs,
    )


def test_the_runner_trains_saves_and_resumes_safely(tmp_path):
    make_runner(tmp_path, 1).train()
    resumed = make_runner(tmp_path, 2, resume=True)
    resumed.train()
    assert resumed.epoch == 2 and (tmp_path / "epoch_2.pth").exists()


def test_the_runner_starts_from_safetensors(tmp_path):
    source = LineModel()
    save_weights(source, tmp_path / "w.safetensors")
    runner = make_runner(tmp_path, 1, load_from=str(tmp_path / "w.safetensors"))
    runner.load_or_resume()
    assert torch.equal(runner.model.line.weight.cpu(), source.line.weight)
