"""Runs a function in a fork of the test process, which has its imports: a start takes no time."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import torch


def start(function: Callable, *args: Any) -> BaseProcess:
    """Begin a call; the exit code is what it returns, as that of a program's ``main`` is."""
    process = multiprocessing.get_context("fork").Process(target=_call, args=(function, args))
    process.start()
    return process


def finish(process: BaseProcess, seconds: float = 300) -> None:
    """Wait for the end of a call that must succeed."""
    process.join(seconds)
    assert process.exitcode == 0


def _call(function: Callable, args: tuple) -> None:
    torch.set_num_threads(1)  # the threads of a pool do not survive a fork
    sys.exit(function(*args))
