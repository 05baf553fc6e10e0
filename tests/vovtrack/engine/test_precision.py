"""What ``--amp`` makes of a config on a machine with and without a GPU."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from vovtrack.engine.switches import mix_precision, pin_batches
from vovtrack.errors import InputError


@pytest.mark.parametrize(
    ("on_gpu", "precision", "wrapper"),
    [
        (True, True, "AmpOptimWrapper"),
        (True, "fp16", "AmpOptimWrapper"),
        (True, "bf16", "BFloat16OptimWrapper"),
        (False, True, "BFloat16OptimWrapper"),
        (False, "bf16", "BFloat16OptimWrapper"),
    ],
)
def test_wrapper(on_gpu, precision, wrapper, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: on_gpu)
    cfg = Config(dict(optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=1))))
    mix_precision(cfg, precision)
    assert cfg.optim_wrapper.type == wrapper
    assert cfg.optim_wrapper.get("loss_scale") == ("dynamic" if "Amp" in wrapper else None)


def test_what_cannot_be_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cfg = Config(dict(optim_wrapper=dict(type="OptimWrapper")))
    with pytest.raises(InputError, match="needs a GPU; on a CPU give --amp bf16"):
        mix_precision(cfg, "fp16")
    with pytest.raises(InputError, match="expected one of bf16, fp16"):
        mix_precision(cfg, "int8")


@pytest.mark.parametrize("on_gpu", [False, True])
def test_batches_are_pinned_for_a_gpu(on_gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: on_gpu)
    loaders = dict(train_dataloader=dict(), test_dataloader=dict(pin_memory=False))
    cfg = Config(dict(loaders, val_dataloader=None))
    pin_batches(cfg)
    assert cfg.train_dataloader.get("pin_memory", False) is on_gpu
    assert cfg.test_dataloader.pin_memory is False and cfg.val_dataloader is None
