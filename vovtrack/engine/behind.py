"""Work that follows the main thread: frames are written while the next ones are tracked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

DEPTH = 4
"""Calls that may wait: what they hold, a frame each, is all the memory that this takes."""


@contextmanager
def behind(call: Callable[..., None], depth: int = DEPTH) -> Iterator[Callable[..., None]]:
    """Run calls in another thread, in order, while the caller resumes.

    The caller waits where ``depth`` calls are open, and for all of them at the end, also after a
    failure of its own. A call that fails is the last one; its error is raised in the caller.

    Args:
        call: What to run; it returns nothing.
        depth: Largest number of open calls.

    Yields:
        What takes its place.
    """
    context, open_calls = copy_context(), deque[Future]()
    failed: list[bool] = []

    def run(*args: object) -> None:
        if failed:
            return
        try:
            context.run(call, *args)
        except BaseException:
            failed.append(True)
            raise

    with ThreadPoolExecutor(1) as worker:

        def later(*args: object) -> None:
            while len(open_calls) >= depth or (open_calls and open_calls[0].done()):
                open_calls.popleft().result()
            open_calls.append(worker.submit(run, *args))

        try:
            yield later
        finally:
            while open_calls:
                open_calls.popleft().result()
