"""Evaluation results as tables, for a terminal or a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = 60  # characters of a name before it is cut


def summary_rows(
    report: Mapping[str, Any], rounded: bool = False, metrics: Sequence[str] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the summary.

    Args:
        report: What :func:`vovtrack.evaluation.pipeline.evaluate` returned.
        rounded: Show the averages over printed values, as published TETA tables do.
        metrics: Columns; default: all metrics of the report.

    Returns:
        The header and one row per group (all, base, novel, overall): name, number of classes,
        points with three decimals, raw counts, or dashes where no class of the group has
        ground truth.
    """
    summary = report["summary"]
    if rounded and "summary_rounded" in report:
        summary = report["summary_rounded"]
    metrics = metrics or metrics_of(summary)
    counts = report["protocol"].get("classes_evaluated", {})
    rows = [
        [group, str(counts.get(group, counts.get("all", ""))), *_cells(scores, metrics, report)]
        for group, scores in summary.items()
    ]
    return ["classes", "n", *metrics], rows


def run_rows(
    labels: Sequence[str], runs: Mapping[tuple[str, ...], Mapping[str, float]]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of runs, one row per group of classes and run.

    Args:
        labels: Headings of what tells the runs apart.
        runs: Metrics ``prefix/group/name``, or ``prefix/name``, by run: a text for each label.
    """
    split = {run: _by_group(metrics) for run, metrics in runs.items()}
    groups = list(dict.fromkeys(group for found in split.values() for group in found))
    names = list(dict.fromkeys(n for found in split.values() for m in found.values() for n in m))
    rows = []
    for group in groups:
        for run, found in split.items():
            cells = [found.get(group, {}).get(name) for name in names]
            texts = ["-" if value is None else f"{value:.2f}" for value in cells]
            rows.append([*run, *([group] if group else []), *texts])
    return [*labels, *(["classes"] if any(groups) else []), *names], rows


def _by_group(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        *path, name = key.split("/")
        found.setdefault("/".join(path[1:]), {})[name] = value
    return found


def metrics_of(summary: Mapping[str, Mapping[str, float] | None]) -> list[str]:
    """Names of the metrics of a summary, in order."""
    return next((list(scores) for scores in summary.values() if scores), [])


def named_rows(report: Mapping[str, Any], key: str, word: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of further scores by name, such as those of each run or attribute.

    Args:
        report: What holds them.
        key: Where it holds them.
        word: What the names are of.
    """
    found = report[key]
    columns = [
        m for m in ("sequences", *report["headline"]) if any(m in (s or ()) for s in found.values())
    ]
    rows = [[_cut(name), *_cells(scores, columns, report)] for name, scores in found.items()]
    return [word, *columns], rows


def oracle_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the error budget, one row per oracle and group."""
    columns = report["oracle"]["columns"]
    rows = [
        [row["name"], group, *_cells(scores, columns, report)]
        for row in report["oracle"]["rows"]
        for group, scores in row["summary"].items()
        if scores
    ]
    return ["predictions", "classes", *columns], rows


def comparison_rows(comparison: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a comparison: one row per group, metric and report."""
    percent = f"{100 * comparison['confidence']:g} %"
    rows = []
    for group, metrics in comparison["groups"].items():
        for metric, entries in metrics.items():
            for entry in entries:
                value = "-" if entry["value"] is None else f"{entry['value']:.3f}"
                row = [_cut(entry["name"]), group, metric, value]
                if "difference" in entry:
                    interval = f"{entry['low']:+.3f} .. {entry['high']:+.3f}"
                    row += [f"{entry['difference']:+.3f}", interval, f"{entry['p']:.3f}"]
                rows.append(row + [""] * (7 - len(row)))
    return ["report", "classes", "metric", "value", "difference", percent, "p"], rows


def dropped_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what a lenient reader left out."""
    rows = [
        [
            entry["reason"],
            str(entry["count"]),
            _cut(entry["file"]),
            entry["examples"][0],
        ]
        for entry in report["dropped"]
    ]
    return ["left out", "records", "file", "first"], rows


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


def _cells(
    scores: Mapping[str, float] | None, metrics: Sequence[str], report: Mapping[str, Any]
) -> list[str]:
    if scores is None:
        return ["-"] * len(metrics)
    totals = report.get("totals", ())
    return [
        "-"
        if scores.get(metric) is None
        else f"{scores[metric]:.0f}"
        if metric in totals or metric == "sequences"
        else f"{scores[metric]:.3f}"
        for metric in metrics
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _NAMES else "..." + text[3 - _NAMES :]


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int], joint: str = "  ") -> str:
    first, *others = zip(row, widths, strict=True)
    return joint.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
