"""Commands of the project, run by benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run_vovtrack(log: Path, *words: object) -> None:
    """Run ``vovtrack WORD...`` and keep what it says in a file; end the benchmark if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "vovtrack", *map(str, words)]
    with open(log, "w") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{log.read_text()[-2000:]}")
