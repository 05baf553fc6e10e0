"""What finished runs have scored, so that a sweep that is typed again continues."""

from __future__ import annotations

import json
from pathlib import Path

from vovtrack.files.atomic import atomic_write

RECORD = "metrics.json"
"""In the folder of a run."""


def read_finished(folder: str | Path, run: str) -> dict[str, float] | None:
    """Metrics of the run that finished in a folder; None if it did not, or was another.

    Args:
        folder: Folder of the run.
        run: All that decides its results, as text.
    """
    path = Path(folder) / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record.get("metrics") if record.get("run") == run else None


def write_finished(folder: str | Path, run: str, metrics: dict[str, float]) -> None:
    """Record that a run has finished."""
    with atomic_write(Path(folder) / RECORD) as file:
        json.dump(dict(run=run, metrics=metrics), file, indent=1)
