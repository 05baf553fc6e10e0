"""What the ablations share: runs in processes of their own, and means over seeds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


def run(command: Iterable) -> None:
    """Run a command; its output goes to the run's own logs, a failure ends the ablation."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def last(folder: Path) -> str:
    """The newest checkpoint of a run, also where the folder was moved since."""
    return str(folder / Path((folder / "last_checkpoint").read_text().strip()).name)


def table_row(title: str, values: Sequence[Sequence[float]]) -> str:
    """A Markdown row of means and standard deviations over seeds, values (seeds, metrics)."""
    found = np.array(values)
    spread = found.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(found.shape[1])
    cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(found.mean(axis=0), spread, strict=True)]
    return f"| {title} | {' | '.join(cells)} |"
