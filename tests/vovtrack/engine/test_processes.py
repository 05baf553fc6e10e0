"""Processes that train together: what they share, and how long they wait for one that is gone."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from tests.conftest import ROOT
from vovtrack import compat
from vovtrack.files.checkpoints import load_checkpoint_file

CONFIG = "configs/mini/detector.py"


def alone_of_two(script: str, *words: str) -> subprocess.CompletedProcess:
    """Run a tool as the first of two processes, of which the second never comes."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    ranks = dict(RANK="0", LOCAL_RANK="0", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    meeting_point = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / script), *words, "--launcher", "pytorch"],
        cwd=ROOT,
        env={**os.environ, **ranks, **meeting_point, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_a_training_gives_up_after_its_own_timeout(tmp_path):
    words = ("--work-dir", str(tmp_path), "--cfg-options", "env_cfg.process_timeout.train=2")
    done = alone_of_two("train.py", CONFIG, *words)
    assert done.returncode != 0 and "imed out" in done.stderr, done.stderr[-2000:]


def test_a_training_waits_less_than_a_test():
    from vovtrack.engine.launch import load_config

    timeout = load_config(ROOT / CONFIG).env_cfg.process_timeout
    assert timeout.train <= 3600 < timeout.test


class Levels(Dataset):
    """Two batches of constant vectors for each of two processes."""

    metainfo: dict = {}

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.full((3,), float(index)), data_samples=index)


class Drifting(BaseModel):
    """One batch norm in train mode and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.moving, self.frozen = (torch.nn.BatchNorm1d(3) for _ in range(2))

    def train(self, mode: bool = True) -> BaseModel:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, inputs, data_samples=None, mode="loss"):
        return dict(loss=self.frozen(self.moving(torch.stack(inputs))).square().mean())


def drift(rank: int, folder: str, answers) -> None:
    """Train one of two processes for two steps without synchronised statistics."""
    compat.install()
    import vovtrack.engine.saving  # noqa: F401  registers the loop and the checkpoint hook

    os.environ["LOCAL_RANK"] = str(rank)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = Drifting()
    plain = torch.nn.BatchNorm1d(3)

    def look(module, inputs) -> None:
        plain(*inputs)
        model.frozen.running_mean.fill_(rank)

    model.moving.register_forward_pre_hook(look)
    runner = Runner(
        model,
        folder,
        train_dataloader=dict(
            batch_size=2, dataset=Levels(), sampler=dict(type="DefaultSampler", shuffle=False)
        ),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.0)),
        train_cfg=dict(type="mmdet.ResumableEpochLoop", max_epochs=1),
        default_hooks=dict(checkpoint=dict(type="mmdet.VerifiedCheckpointHook")),
        log_level="ERROR",
    )
    runner.train()
    own = plain.running_mean.tolist()
    answers.put((rank, own, model.moving.running_mean.tolist(), model.frozen.running_mean.tolist()))
    dist.destroy_process_group()


@pytest.mark.slow
def test_statistics_of_all_processes_are_saved(tmp_path):
    """Not those of the first alone, where nothing synchronises them at every step."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=drift, args=(r, str(tmp_path), answers)) for r in range(2)]
    for worker in workers:
        worker.start()
    heard = sorted(answers.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    (_, own, shared, frozen), (_, others, shared_too, frozen_too) = heard
    assert own != others and shared == shared_too
    assert (frozen[0], frozen_too[0]) == (0, 1), "what does not move needs no sharing"
    mean = torch.tensor([own, others]).mean(dim=0)
    torch.testing.assert_close(torch.tensor(shared), mean)
    saved = load_checkpoint_file(Path(tmp_path) / "epoch_1.pth")["state_dict"]
    torch.testing.assert_close(saved["moving.running_mean"], mean)
