"""Threads that wait leave the cores to others, in every process that a command starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.places import ROOT
from vovtrack.cli.process import WAITING

SPINS = re.compile(r"GOMP_SPINCOUNT = '(\d+)'")


def spins(*command: str, **settings: str) -> list[int]:
    """How often a thread looks before it sleeps, as OpenMP reports it in each process."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, **settings}, capture_output=True, text=True
    )
    return [int(count) for count in SPINS.findall(done.stderr)]


@pytest.fixture(scope="module", autouse=True)
def default() -> int:
    """Spins of a plain torch."""
    found = spins(sys.executable, "-c", "import torch")
    if not found:
        pytest.skip("this torch has another OpenMP runtime than GNU's")
    assert found[0] > 0
    return found[0]


COMMAND = (sys.executable, "-c", "from vovtrack.cli.main import main; main(['x']); import torch")


def test_the_command_sets_it_before_torch_loads():
    assert spins(*COMMAND) == [0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("GOMP_SPINCOUNT", "3000", 3000), ("OMP_WAIT_POLICY", "active", 30_000_000_000)],
)
def test_the_choice_of_the_user_stays(name, value, expected):
    assert spins(*COMMAND, **{name: value}) == [expected]


@pytest.mark.slow
def test_the_processes_of_a_launcher_have_it(default):
    # There is no such config: they end after torch has loaded.
    found = spins("bash", "tools/dist_train.sh", "configs/mini/nothing.py", "2")
    # Each OpenMP library of a process tells; torchrun itself may wait as it likes.
    assert found.count(0) >= 2 and found.count(0) % 2 == 0 and set(found) <= {0, default}


def test_workers_have_it():
    code = (
        "import os, sys\nfrom vovtrack.cli.main import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "import torch\n"
        "class Data(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 1\n"
        "    def __getitem__(self, _): return os.environ['OMP_WAIT_POLICY']\n"
        "print(next(iter(torch.utils.data.DataLoader(Data(), num_workers=1))))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "['PASSIVE']", done.stderr
