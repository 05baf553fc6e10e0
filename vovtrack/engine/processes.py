"""One job in several processes, as torchrun starts them: whose GPU, whose share, one result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from vovtrack.errors import InputError

T = TypeVar("T")
_DEAD_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")
"""How torch begins to say that a data worker did not end by itself."""
_WAIT = timedelta(days=7)
"""For the slowest process; torchrun ends all of them if one fails."""


def own_device(device: str) -> str:
    """The device of this process; ``cuda`` is its own GPU if torchrun started several.

    Raises:
        InputError: It cannot be used here, or more processes were started than there are GPUs.
    """
    local = os.environ.get("LOCAL_RANK")
    if device == "cuda" and local is not None:
        if int(local) >= torch.cuda.device_count():
            raise InputError(
                f"Process {local} of this machine has no GPU of its own: start at most "
                f"{torch.cuda.device_count()} (--nproc_per_node), or give --device cpu."
            )
        device = f"cuda:{local}"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"Device '{device}' cannot be used here: {reason}") from None
    return device


def own_share() -> tuple[int, int]:
    """Number of this process, from 0 on, and how many there are."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def gather_shares(share: T) -> list[T] | None:
    """The results of all processes in their order for the first one, None for the others.

    They meet here for the first time, over the network address that torchrun gave them.
    """
    rank, count = own_share()
    if count == 1:
        return [share]
    distributed.init_process_group("gloo", timeout=_WAIT)
    shares: list[T] | None = [share] * count if rank == 0 else None
    distributed.gather_object(share, shares)
    distributed.destroy_process_group()
    return shares


@contextmanager
def reported_workers(loader: str, advice: str = "") -> Iterator[None]:
    """Turn the death of a data worker into a sentence.

    Args:
        loader: Key of the config that says how many there are.
        advice: What to do beside.

    Raises:
        InputError: A worker was killed, by the system or a user.
    """
    try:
        yield
    except RuntimeError as error:
        dead = _DEAD_WORKER.match(str(error))
        if dead is None:
            raise
        raise InputError(
            f"A data worker (process {dead[1]}) was killed, probably for want of memory: use fewer "
            f"(--cfg-options {loader}.num_workers=1). {advice}".rstrip()
        ) from error
