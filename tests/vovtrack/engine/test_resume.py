"""Checkpoints: streamed, verified, kept, and runs that continue to equal weights."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from tests import forked
from vovtrack.engine.resume import INDEX, VerifiedCheckpointHook, random_state, set_random_state
from vovtrack.engine.switches import continue_run
from vovtrack.engine.weights.checkpoint import latest_checkpoint
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file, save_checkpoint


class Noise(Dataset):
    """Samples that no two calls give alike."""

    metainfo: ClassVar = {}

    def __len__(self) -> int:
        return 24

    def __getitem__(self, i: int) -> dict:
        x = torch.full((4,), float(i)) + random.random() + np.random.rand()
        return dict(inputs=x + torch.rand(4), data_samples=torch.tensor(i % 3))


class Tiny(BaseModel):
    """A classifier with dropout, each of whose steps takes ``pause`` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, inputs, data_samples=None, mode="loss"):
        time.sleep(self.pause)
        inputs, labels = torch.stack(inputs), torch.stack(data_samples)
        out = self.net(inputs / 24)
        if mode == "predict":
            return torch.rand(len(inputs))
        return dict(loss=nn.functional.cross_entropy(out, labels))


def train(work_dir: Path, workers: int, resume: bool, pause: float) -> None:
    loader = dict(batch_size=4, num_workers=workers, dataset=Noise(),
                  sampler=dict(type="DefaultSampler", shuffle=True))  # fmt: skip
    torch.manual_seed(0)
    cfg = Config(dict(work_dir=str(work_dir), load_from=None, resume=False))
    if resume:
        continue_run(cfg)
    hook = dict(type="mmdet.VerifiedCheckpointHook", by_epoch=False, interval=1, max_keep_ckpts=3)
    Runner(
        Tiny(pause), str(work_dir), train_dataloader=loader,
        optim_wrapper=dict(optimizer=dict(type="Adam", lr=0.01)),
        param_scheduler=dict(type="StepLR", step_size=1, gamma=0.5),
        train_cfg=dict(type="mmdet.ResumableEpochLoop", max_epochs=3),
        default_hooks=dict(checkpoint=hook),
        custom_hooks=[dict(type="EMAHook", ema_type="ExponentialMovingAverage")],
        load_from=cfg.load_from, resume=cfg.resume, randomness=dict(seed=3), log_level="ERROR",
    ).train()  # fmt: skip


def start(work_dir: Path, workers: int = 0, resume: bool = False, pause: float = 0.0):
    return forked.start(train, work_dir, workers, resume, pause)


def last_weights(work_dir: Path) -> dict:
    content = load_checkpoint_file(work_dir / "iter_18.pth")
    return {"weights": content["state_dict"], "ema": content["ema_state_dict"]}


def assert_same(first: dict, second: dict) -> None:
    for part in first:
        assert first[part].keys() == second[part].keys()
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), (part, name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    forked.finish(start(folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", ["iter_3.pth", "iter_10.pth"])
def test_killed_in_the_middle_it_ends_with_the_same_weights(whole, tmp_path, kill_at):
    process = start(tmp_path, pause=0.05)
    deadline = time.time() + 90
    while not (tmp_path / kill_at).exists() and time.time() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert (tmp_path / kill_at).exists() and not (tmp_path / "iter_18.pth").exists()
    forked.finish(start(tmp_path, resume=True))
    assert_same(last_weights(whole), last_weights(tmp_path))


@pytest.mark.slow
def test_data_workers_continue_too(tmp_path):
    forked.finish(start(tmp_path / "whole", workers=1))
    process = start(tmp_path / "cut", workers=1, pause=0.05)
    while not (tmp_path / "cut/iter_9.pth").exists() and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    forked.finish(start(tmp_path / "cut", workers=1, resume=True))
    assert_same(last_weights(tmp_path / "whole"), last_weights(tmp_path / "cut"))


def test_the_last_ones_stay_with_their_hashes(whole):
    kept = sorted(path.name for path in whole.glob("iter_*.pth"))
    assert kept == ["iter_16.pth", "iter_17.pth", "iter_18.pth"]
    index = json.loads((whole / INDEX).read_text())
    assert sorted(index) == kept
    assert index["iter_18.pth"]["size"] == (whole / "iter_18.pth").stat().st_size


def test_a_damaged_newest_is_passed_over(whole, tmp_path):
    for path in whole.glob("*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    for k in (16, 17, 18):
        time.sleep(0.01)
        (tmp_path / f"iter_{k}.pth").touch()
    assert latest_checkpoint(tmp_path).name == "iter_18.pth"
    other = load_checkpoint_file(tmp_path / "iter_17.pth")
    save_checkpoint(other, tmp_path / "iter_18.pth")  # whole, but not what was written
    with pytest.warns(UserWarning, match=r"iter_18\.pth: its content is not what was written"):
        assert latest_checkpoint(tmp_path).name == "iter_17.pth"
    for name in ("iter_16.pth", "iter_17.pth"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(InputError), pytest.warns(UserWarning):
        latest_checkpoint(tmp_path)


def test_one_checkpoint_is_not_enough():
    with pytest.raises(InputError, match="max_keep_ckpts must be 2 or more"):
        VerifiedCheckpointHook(max_keep_ckpts=1)


def test_random_generators_return_to_their_state(tmp_path):
    def draw():
        return random.gauss(0, 1), np.random.randn(), torch.randn(2).tolist()

    random.gauss(0, 1)  # leaves half of a pair behind
    np.random.randn()
    state = random_state()
    first = draw()
    torch.save(state, tmp_path / "state.pth")
    set_random_state(load_checkpoint_file(tmp_path / "state.pth"))
    assert draw() == first


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pth"
    save_checkpoint({"a": torch.ones(3)}, path)
    before = path.read_bytes()

    class Broken:
        def __reduce__(self):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"a": torch.zeros(3), "b": Broken()}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="written to local files"):
        save_checkpoint({}, "s3://x", backend_args={"backend": "petrel"})


@pytest.mark.slow
def test_saving_does_not_double_the_memory(tmp_path):
    program = textwrap.dedent(
        """
        import resource, sys, torch
        from vovtrack.files.checkpoints import save_checkpoint
        def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        content = {str(k): torch.rand(5_000_000) for k in range(10)}
        before = peak()
        save_checkpoint(content, sys.argv[1])
        print(peak() - before)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.pth")], capture_output=True, text=True
    )
    assert float(done.stdout) < 60, done.stderr  # of 200 MB
