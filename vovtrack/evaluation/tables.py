"""Evaluation summaries as tables, for a terminal or a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vovtrack.evaluation.teta import COLUMNS


def summary_rows(
    result: dict[str, Any], rounded: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the TETA summary.

    Args:
        result: What :func:`vovtrack.evaluation.tao.evaluate_tao` returned.
        rounded: Show the averages over printed values, as published tables do.

    Returns:
        The header and one row per group (all, base, novel): name, number of classes, points with
        three decimals, or dashes where no class of the group has ground truth.
    """
    counts = result["protocol"]["classes_evaluated"]
    rows = []
    for group, scores in result["summary_rounded" if rounded else "summary"].items():
        cells = ["-"] * len(COLUMNS) if scores is None else [f"{scores[c]:.3f}" for c in COLUMNS]
        rows.append([group, str(counts[group]), *cells])
    return ["classes", "n", *COLUMNS], rows


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in plain text: first column left, the others right aligned."""
    widths = _widths(header, rows)
    lines = [_line(header, widths), "  ".join("-" * width for width in widths)]
    return "\n".join(lines + [_line(row, widths) for row in rows])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in Markdown."""
    widths = _widths(header, rows)
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join("| " + _line(row, widths, " | ") + " |" for row in (header, rule, *rows))


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int], joint: str = "  ") -> str:
    first, *others = zip(row, widths, strict=True)
    return joint.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
