"""Reading the scalars that a run has logged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vovtrack.errors import InputError

SCALARS = "*/vis_data/scalars.json"
"""Where the runs of a work directory keep them, a folder for each start."""
Record = dict[str, float]


def read_log(path: str | Path) -> list[Record]:
    """Records of a run in order of iterations, those of its interruptions joined.

    Args:
        path: A work directory, or one ``scalars.json``. What a continued run logged for an
            iteration replaces what the run before it did.

    Raises:
        InputError: There is no log, or it cannot be read.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob(SCALARS))
    if not files:
        raise InputError(f"'{path}' holds no log ({SCALARS}) of a training.")
    trained: dict[float, Record] = {}
    validated: dict[float, Record] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                record = json.loads(line)
                step = record["step"]
            except (ValueError, KeyError, TypeError):
                raise InputError(f"'{file}', line {number}: this is not a logged record.") from None
            (trained if "lr" in record else validated)[step] = record
    if not trained and not validated:
        raise InputError(f"'{files[-1]}' is empty: nothing was logged yet.")
    return [trained[step] for step in sorted(trained)] + [
        validated[step] for step in sorted(validated)
    ]


def training_rows(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table with a row for each epoch: means, and the last learning rate."""
    rows = [record for record in records if "lr" in record]
    losses = sorted({name for row in rows for name in row if "loss" in name})
    table = []
    for epoch in sorted({row["epoch"] for row in rows}):
        own = [row for row in rows if row["epoch"] == epoch]
        cells = [_mean(own, name) for name in (*losses, "time", "data_time")]
        texts = ["-" if value is None else f"{value:.4g}" for value in cells]
        table.append([str(int(epoch)), str(int(own[-1]["iter"])), f"{own[-1]['lr']:.3g}", *texts])
    return ["epoch", "iter", "lr", *losses, "s/iter", "s/data"], table


def validation_rows(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table with a row for each validation."""
    rows = [record for record in records if "lr" not in record]
    names = sorted({name for row in rows for name in row if "/" in name})
    table = [
        [str(int(row["step"])), *(f"{row[name]:.4g}" if name in row else "-" for name in names)]
        for row in rows
    ]
    return ["epoch", *names], table


def curve(records: Sequence[Record], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a key: iterations in training, epochs in validation.

    Raises:
        InputError: No record has the key; the message lists those that there are.
    """
    points = [(record["step"], record[key]) for record in records if key in record]
    if not points:
        known = sorted({name for record in records for name in record} - {"step", "epoch", "iter"})
        raise InputError(f"Nothing was logged as '{key}'; there are {', '.join(known)}.")
    steps, values = np.array(points, dtype=np.float64).T
    return steps, values


def _mean(rows: Sequence[Record], name: str) -> float | None:
    values = [row[name] for row in rows if name in row]
    return float(np.mean(values)) if values else None
