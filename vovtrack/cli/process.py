"""What a process settles before torch loads: how threads wait, which GPUs it sees.

Both are environment variables that torch reads once; processes started from here follow.
"""

from __future__ import annotations

import os

from vovtrack.errors import InputError

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""How threads of OpenMP wait for each other."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


def share_cores() -> None:
    """Let threads that wait sleep, unless the user chose otherwise.

    By default they compute while they wait, which on busy cores keeps back the thread that they
    wait for (tools/benchmarks/busy_cores.py).
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def choose_device(device: str | None, launcher: str = "none") -> None:
    """Let this process run on one device: the runner takes the first GPU that it sees.

    Args:
        device: ``cpu``, ``cuda``, or ``cuda:N`` for the GPU with this number; None leaves the
            choice to the runner, a GPU if there is one.
        launcher: Who started the process; one of several has its own GPU.

    Raises:
        InputError: Another name, a GPU that is not there, or one GPU for several processes.
    """
    if device is None:
        return
    kind, _, number = device.partition(":")
    if device not in ("cpu", "cuda") and not (kind == "cuda" and number.isdigit()):
        raise InputError(f"--device {device}: expected cpu, cuda, or cuda:N with a number.")
    if number and launcher != "none":
        raise InputError(f"--device {device}: each process of a launcher takes a GPU of its own.")
    if device == "cpu":
        os.environ[VISIBLE] = "-1"
        return
    if number:
        seen = os.environ.get(VISIBLE)
        names = seen.split(",") if seen else []
        place = int(number)
        if seen is not None and place >= len(names):
            raise InputError(f"--device {device}: {VISIBLE}={seen} shows {len(names)} GPUs.")
        os.environ[VISIBLE] = names[place] if names else number
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"--device {device}: torch sees no such GPU ('vovtrack doctor' says more)."
        )
