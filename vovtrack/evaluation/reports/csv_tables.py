"""Evaluation results as CSV files for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vovtrack.evaluation.reports.tables import metrics_of
from vovtrack.files.atomic import atomic_write

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(report: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Write ``summary.csv``, ``per_class.csv``, ``per_video.csv``, and of points ``per_point.csv``.

    Numbers have full precision; a score that does not exist is an empty cell. A name that a
    spreadsheet would run as a formula gets an apostrophe in front.

    Args:
        report: What :func:`vovtrack.evaluation.pipeline.evaluate` returned.
        folder: Where to write.

    Returns:
        The files.
    """
    folder = Path(folder)
    metrics = metrics_of(report["summary"])
    tables: dict[str, tuple[list[str], Iterable[list]]] = {
        "summary": (["group", *metrics], _rows(report["summary"], metrics)),
        "per_class": (
            ["class", "group", *metrics],
            _rows(report["per_class"], ["group", *metrics]),
        ),
        "per_video": (["video", *metrics], _rows(report["per_video"], metrics)),
    }
    if "per_point" in report:
        table = report["per_point"]
        points = ([harmless(name), *map(_cell, cells)] for name, *cells in table["rows"])
        tables["per_point"] = (table["columns"], points)
    paths = []
    for name, (header, rows) in tables.items():
        paths.append(folder / f"{name}.csv")
        write_rows(paths[-1], header, rows)
    return paths


def write_rows(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write one table."""
    with atomic_write(path, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _rows(table: Mapping[str, Any], columns: Sequence[str]) -> Iterable[list]:
    for name, scores in table.items():
        cells = [(scores or {}).get(column) for column in columns]
        yield [harmless(name), *map(_cell, cells)]


def _cell(value: Any) -> Any:
    return "" if value is None else value


def harmless(name: str) -> str:
    """A name from outside that no spreadsheet runs as a formula."""
    return f"'{name}" if name.startswith(_FORMULA) else name
