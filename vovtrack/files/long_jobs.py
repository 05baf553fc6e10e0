"""Long jobs that write many files: in several processes, resumed where one was interrupted."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cv2

from vovtrack.errors import InputError
from vovtrack.files.atomic import append, atomic_write, reported

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def read_journal(path: Path, settings: dict[str, Any]) -> list[Any]:
    """Return what an earlier run has finished, in order; empty if there was none.

    Args:
        path: The journal: a line of JSON with the settings, then one for every finished piece. The
            last line may be cut short.
        settings: What the result depends on, by name.

    Raises:
        InputError: The earlier run had other settings; the message names them.
    """
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    settings = json.loads(json.dumps(settings))
    begun = lines[0] if lines and isinstance(lines[0], dict) else {}
    if begun != settings:
        names = [name for name in {**begun, **settings} if begun.get(name) != settings.get(name)]
        raise InputError(
            f"'{path.parent}' was begun with other settings ({', '.join(names)}): finish it with "
            "the command that began it, choose another folder for --out, or delete it."
        )
    return lines[1:]


@contextmanager
def journal(
    path: Path, settings: dict[str, Any], finished: Iterable[Any]
) -> Iterator[Callable[[Any], None]]:
    """Keep a journal; see `read_journal`.

    Args:
        path: The file.
        settings: What the result depends on, by name.
        finished: Pieces of an earlier run that are still good.

    Yields:
        A function that adds a finished piece.

    Raises:
        WriteError: The disk is full.
    """
    with atomic_write(path) as file:
        for line in (settings, *finished):
            file.write(json.dumps(line) + "\n")
    with append(path, "a", encoding="utf-8") as file:

        def add(piece: Any) -> None:
            with reported(path):
                file.write(json.dumps(piece) + "\n")
                file.flush()

        yield add


def in_processes(
    function: Callable[[_Job], _Result], jobs: list[_Job], workers: int, chunk: int = 1
) -> Iterator[_Result]:
    """Run a function over jobs and yield the results in order.

    Args:
        function: Of a module, so that other processes find it.
        jobs: Its arguments.
        workers: Processes; with 1, all happens in this one.
        chunk: Jobs that a process takes at once.

    Raises:
        InputError: A process died.
    """
    workers = min(workers, len(jobs))
    if workers <= 1:
        yield from map(function, jobs)
        return
    # Forking a process that has threads (torch, OpenCV) can hang, so workers start afresh.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),))
    try:
        yield from pool.map(function, jobs, chunksize=chunk)
    except BrokenProcessPool:
        raise InputError(
            "A worker process died, probably for want of memory. Run the same command again with "
            "fewer --workers: what is finished is kept."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(parent: int) -> None:
    """Leave interruptions to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
