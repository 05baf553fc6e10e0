"""Calls that follow in another thread keep their order, their bound and their errors."""

from __future__ import annotations

import threading

import pytest

from vovtrack.engine.behind import behind


def test_calls_run_in_order_in_another_thread():
    seen = []
    with behind(lambda n: seen.append((n, threading.current_thread()))) as later:
        for n in range(20):
            later(n)
    assert [n for n, _ in seen] == list(range(20))
    assert all(thread is not threading.main_thread() for _, thread in seen)


def test_the_caller_resumes_and_waits_where_too_many_calls_are_open():
    free, entered = threading.Event(), threading.Semaphore(0)

    def call(n: int) -> None:
        entered.release()
        free.wait()

    with behind(call, depth=3) as later:
        for n in range(3):
            later(n)  # the first still runs: nothing waited for it
        assert entered.acquire(timeout=10)
        fourth = threading.Thread(target=later, args=(3,))
        fourth.start()
        fourth.join(0.1)
        assert fourth.is_alive(), "a fourth call had to wait"
        free.set()
        fourth.join()


def test_an_error_reaches_the_caller_and_no_call_follows_it():
    seen = []

    def call(n: int) -> None:
        seen.append(n)
        if n == 3:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"), behind(call) as later:
        for n in range(1000):
            later(n)
    assert seen == [0, 1, 2, 3]


def test_open_calls_finish_after_a_failure_of_the_caller():
    seen = []
    with pytest.raises(KeyboardInterrupt), behind(seen.append) as later:
        for n in range(3):
            later(n)
        raise KeyboardInterrupt
    assert seen == [0, 1, 2]
