"""Processes of torchrun: each has its own GPU, and the first gets all results."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.fake_cuda import fake_cuda
from tests.places import ROOT
from vovtrack.engine.processes import gather_shares, own_device, own_share
from vovtrack.errors import InputError

SCRIPT = """
from vovtrack.engine.processes import gather_shares, own_share
rank, count = own_share()
found = gather_shares([rank] * rank)
print(rank, found)
"""


def test_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert own_share() == (0, 1) and gather_shares("x") == ["x"]
    assert own_device("cpu") == "cpu"
    with fake_cuda():
        assert own_device("cuda") == "cuda"


def test_each_process_has_its_gpu(monkeypatch):
    # Undone in turn, or the pretended number of GPUs would stay.
    with fake_cuda(), monkeypatch.context() as inner:
        inner.setattr(torch.cuda, "device_count", lambda: 4)
        monkeypatch.setenv("LOCAL_RANK", "2")
        assert own_device("cuda") == "cuda:2"
        assert own_device("cuda:1") == "cuda:1" and own_device("cpu") == "cpu"
        monkeypatch.setenv("LOCAL_RANK", "4")
        with pytest.raises(InputError, match="Process 4 .* no GPU of its own: start at most 4"):
            own_device("cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
def test_a_device_that_is_not_there():
    with pytest.raises(InputError, match="Device 'cuda' cannot be used here"):
        own_device("cuda")
    with pytest.raises(InputError, match="Device 'gpu' cannot be used here"):
        own_device("gpu")


def test_the_first_gets_all_in_order(tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc_per_node", "3", str(tmp_path / "job.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["0 [[], [1], [2, 2]]", "1 None", "2 None"]
