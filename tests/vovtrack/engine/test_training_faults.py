"""Full disks and killed data workers: one sentence, and nothing that was computed is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from vovtrack.engine.weights.checkpoint import latest_checkpoint, read_checkpoint
from vovtrack.files.folders import held_folders

CONFIG = textwrap.dedent(
    """
    model = dict(type="Plain")
    train_dataloader = dict(
        batch_size=2, num_workers=1, dataset=dict(type="Numbers", fault=""),
        sampler=dict(type="DefaultSampler", shuffle=True))
    optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.01))
    train_cfg = dict(type="ResumableEpochLoop", max_epochs=4)
    default_hooks = dict(checkpoint=dict(
        type="VerifiedCheckpointHook", by_epoch=True, interval=1, max_keep_ckpts=3))
    custom_hooks = [dict(type="FullDisk", epoch=-1), dict(type="DeadWorker", epoch=-1, sign=""),
                    dict(type="Killed", epoch=-1)]
    default_scope = "mmdet"
    """
)
PROGRAM = textwrap.dedent(
    """
    import os, resource, signal, sys
    import torch
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from torch.utils.data import Dataset
    from vovtrack.cli.main import main
    from vovtrack.registry import DATASETS, HOOKS, MODELS

    @DATASETS.register_module()
    class Numbers(Dataset):
        metainfo = {}
        def __init__(self, fault): self.fault = fault
        def __len__(self): return 8
        def __getitem__(self, index):
            if self.fault and os.path.exists(self.fault):
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.full((4,), float(index))

    @MODELS.register_module()
    class Plain(BaseModel):
        def __init__(self, data_preprocessor=None):
            super().__init__()
            self.layer = torch.nn.Linear(4, 50_000)
        def forward(self, *data, mode="loss"):
            return dict(loss=self.layer(torch.stack(list(data))).square().mean())

    @HOOKS.register_module()
    class FullDisk(Hook):
        '''From an epoch on, files cannot grow beyond 200 kB; a checkpoint has a megabyte.'''
        def __init__(self, epoch): self.epoch = epoch
        def before_train_epoch(self, runner):
            if runner.epoch == self.epoch:
                resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))

    @HOOKS.register_module()
    class DeadWorker(Hook):
        '''From an epoch on, data workers are killed while they work.'''
        def __init__(self, epoch, sign): self.epoch, self.sign = epoch, sign
        def before_train_epoch(self, runner):
            if runner.epoch == self.epoch:
                open(self.sign, "w").close()

    @HOOKS.register_module()
    class Killed(Hook):
        def __init__(self, epoch): self.epoch = epoch
        def before_train_epoch(self, runner):
            if runner.epoch == self.epoch:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.exit(main(sys.argv[1:]))
    """
)


@pytest.fixture
def train(tmp_path, repo_root):
    """Train in a process of its own; returns its exit code and the last line on stderr."""
    (tmp_path / "config.py").write_text(CONFIG)
    words = ["train", "config.py", "--trust-config", "--work-dir", "run", "--device", "cpu"]

    (tmp_path / "program.py").write_text(PROGRAM)

    def call(*more: str, processes: int = 1) -> tuple[int, str]:
        several = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        starter = several if processes > 1 else []
        done = subprocess.run(
            [sys.executable, *starter, "program.py", *words, *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repo_root)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        print(done.stdout, done.stderr)
        told = done.stderr.strip().splitlines() if done.returncode else []
        return done.returncode, told[-1] if told else ""

    return call


def finished_after_resume(run, train) -> bool:
    assert train("--resume") == (0, "")
    return read_checkpoint(run / "epoch_4.pth")["meta"]["epoch"] == 4


def test_a_second_training_stops_before_it_writes(tmp_path, train):
    run = tmp_path / "run"
    with held_folders([run]):
        code, told = train()
        assert code == 2 and not list(run.iterdir())
    assert told == (
        f"vovtrack train: Another run is writing its results to '{run}': wait until it has "
        "ended, or choose another folder."
    )


def test_a_killed_training_resumes_in_its_folder(tmp_path, train):
    run = tmp_path / "run"
    assert train("--cfg-options", "custom_hooks.2.epoch=2")[0] == -signal.SIGKILL
    assert latest_checkpoint(run).name == "epoch_2.pth"
    assert finished_after_resume(run, train)


def test_the_processes_of_one_training_share_its_folder(tmp_path, train):
    assert train("--launcher", "pytorch", processes=2) == (0, "")
    assert (tmp_path / "run/epoch_4.pth").exists()


def test_a_disk_that_fills_up_while_a_checkpoint_is_saved(tmp_path, train):
    run = tmp_path / "run"
    code, told = train("--cfg-options", "custom_hooks.0.epoch=2")
    assert code == 2
    assert told == f"vovtrack train: '{run}/epoch_3.pth' cannot be written: File too large."
    assert sorted(path.name for path in run.glob("*.pth")) == ["epoch_1.pth", "epoch_2.pth"]
    assert not list(run.glob("*.unfinished")) and not list(run.glob(".*"))
    assert latest_checkpoint(run).name == "epoch_2.pth"
    assert finished_after_resume(run, train)


def test_a_data_worker_that_is_killed(tmp_path, train):
    run, sign = tmp_path / "run", tmp_path / "sign"
    code, told = train(
        "--cfg-options",
        "custom_hooks.1.epoch=2",
        f"custom_hooks.1.sign={sign}",
        f"train_dataloader.dataset.fault={sign}",
    )
    assert code == 2
    assert told.startswith("vovtrack train: A data worker (process ")
    assert "was killed" in told and told.endswith("add --resume to continue.")
    assert latest_checkpoint(run).name == "epoch_2.pth"
    assert finished_after_resume(run, train)
