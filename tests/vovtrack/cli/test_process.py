"""The device of a run: what the process may see is settled before torch looks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.places import ROOT
from vovtrack.cli.main import build_parser, main
from vovtrack.cli.process import VISIBLE, choose_device
from vovtrack.errors import InputError


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """As on a machine with GPUs; none is asked for anything."""
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("device", "seen", "expected"),
    [
        ("cpu", None, "-1"),
        ("cpu", "0,1", "-1"),
        ("cuda", "2,3", "2,3"),
        ("cuda:1", "2,3", "3"),
        ("cuda:3", None, "3"),
        (None, "2", "2"),
    ],
)
def test_the_process_sees_what_was_chosen(device, seen, expected, monkeypatch):
    if seen is not None:
        monkeypatch.setenv(VISIBLE, seen)
    else:
        monkeypatch.setenv(VISIBLE, "")  # so that the fixture restores it
        monkeypatch.delenv(VISIBLE)
    choose_device(device)
    assert os.environ[VISIBLE] == expected


@pytest.mark.parametrize(
    ("device", "launcher", "message"),
    [
        ("gpu", "none", "expected cpu, cuda, or cuda:N"),
        ("cuda:one", "none", "expected cpu, cuda, or cuda:N"),
        ("cuda:1", "pytorch", "a GPU of its own"),
        ("cuda:2", "none", "shows 2 GPUs"),
    ],
)
def test_unusable_devices(device, launcher, message, monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    with pytest.raises(InputError, match=message):
        choose_device(device, launcher)
    assert os.environ[VISIBLE] == "0,1"


def test_a_missing_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="sees no such GPU"):
        choose_device("cuda")


def test_the_command_chooses_before_torch_loads():
    code = (
        "import os, sys\nfrom vovtrack.cli.main import main\nfrom vovtrack.cli import process\n"
        "chosen = process.choose_device\n"
        "from vovtrack.cli import train\n"
        "def choose(*words):\n    print('torch' in sys.modules)\n    chosen(*words)\n"
        "train.choose_device = choose\n"
        "main(['train', 'configs/mini/nothing.py', '--device', 'cpu'])\n"
        f"print(os.environ['{VISIBLE}'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "-1"], done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], False), (["--amp"], True), (["--amp", "bf16"], "bf16"), (["--amp", "fp16"], "fp16")],
)
def test_precision_of_training(words, expected):
    assert build_parser().parse_args(["train", "C", *words, "--seed", "1"]).amp == expected


def test_an_unknown_precision_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "C", "--amp", "int8"])
    assert "choose from" in capsys.readouterr().err
