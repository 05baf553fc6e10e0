"""Processes that train together do not wait for ever for one that is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CONFIG = "configs/mini/detector.py"


def alone_of_two(script: str, *words: str) -> subprocess.CompletedProcess:
    """Run a tool as the first of two processes, of which the second never comes."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    ranks = dict(RANK="0", LOCAL_RANK="0", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    meeting_point = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / script), *words, "--launcher", "pytorch"],
        cwd=ROOT,
        env={**os.environ, **ranks, **meeting_point, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_a_training_gives_up_after_its_own_timeout(tmp_path):
    words = ("--work-dir", str(tmp_path), "--cfg-options", "env_cfg.process_timeout.train=2")
    done = alone_of_two("train.py", CONFIG, *words)
    assert done.returncode != 0 and "imed out" in done.stderr, done.stderr[-2000:]


def test_a_training_waits_less_than_a_test():
    from vovtrack.engine.launch import load_config

    timeout = load_config(ROOT / CONFIG).env_cfg.process_timeout
    assert timeout.train <= 3600 < timeout.test
