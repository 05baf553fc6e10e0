"""The cells as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tools.benchmarks.claims.intervals import Interval, interval
from tools.benchmarks.claims.rows import CLAIMS, ROWS, Claim
from tools.benchmarks.claims.scores import METRICS, Scores

Done = Mapping[tuple[str, int], Scores]
"""Scores by row and seed."""
_HEADER = 2
"""Lines of a table without rows."""
_HEADS = {
    "stills": "stages 0 to 2, stills",
    "videos": "stages 3 and 4, videos",
}


def table(cells: Done, seeds: Sequence[int]) -> str:
    """Both tables of rows and the table of claims, of the cells that are there."""
    parts = [rows_table(measure, cells, seeds) for measure in METRICS]
    filled = [part for part in (*parts, claims_table(cells, seeds)) if part.count("\n") > _HEADER]
    return "\n".join(filled)


def rows_table(measure: str, cells: Done, seeds: Sequence[int]) -> str:
    """Means over worlds; of them mean and standard deviation over seeds, in points."""
    metrics = METRICS[measure]
    lines = [f"| {_HEADS[measure]} | {' | '.join(metrics)} |", "|---|" + "---:|" * len(metrics)]
    for name, row in ROWS.items():
        found = [cells[name, s] for s in seeds if (name, s) in cells]
        if row.measure != measure or not found:
            continue
        values = np.array([[np.mean([*f[m].values()]) for m in metrics] for f in found])
        if row.seeded and len(found) > 1:
            pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
            texts = [f"{mean:.1f} ± {spread:.1f}" for mean, spread in pairs]
        else:
            texts = [f"{value:.1f}" for value in values[0]]
        lines.append(f"| {row.title} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def claims_table(cells: Done, seeds: Sequence[int]) -> str:
    """Each claim with its paired difference, its interval and what follows."""
    lines = [
        "| claim | measured | difference | 95 % interval | seeds x worlds | shown |",
        "|---|---|---:|---:|---:|---|",
    ]
    for claim in CLAIMS:
        if (differences := paired(claim, cells, seeds)) is None:
            continue
        found = interval(differences)
        size = " x ".join(map(str, differences.shape))
        lines.append(
            f"| {claim.text} | {claim.metric} | {found.mean:+.1f} | "
            f"{found.low:+.1f} to {found.high:+.1f} | {size} | {verdict(claim, found)} |"
        )
    return "\n".join(lines) + "\n"


def verdict(claim: Claim, found: Interval) -> str:
    """Whether an interval shows what a claim says."""
    if np.isnan(found.low):
        return "not repeated"
    if found.high < 0:
        return "no: lost"
    if found.low > 0:
        return "yes"
    return "no loss to be told" if claim.loss_only else "not told apart"


def paired(claim: Claim, cells: Done, seeds: Sequence[int]) -> np.ndarray | None:
    """Differences (S, W) of a claim's rows, where both are done; None without any."""
    both = [s for s in seeds if {(claim.row, s), (claim.over, s)} <= cells.keys()]
    if not both:
        return None
    ours, theirs = (
        [cells[name, seed][claim.metric] for seed in both] for name in (claim.row, claim.over)
    )
    worlds = list(ours[0])
    return np.array([[a[w] - b[w] for w in worlds] for a, b in zip(ours, theirs, strict=True)])


def record(cells: Done, seeds: Sequence[int]) -> dict[str, Any]:
    """All cells and claims, JSON-ready."""
    claims = []
    for claim in CLAIMS:
        if (differences := paired(claim, cells, seeds)) is not None:
            found = interval(differences)._asdict() | {"differences": differences.tolist()}
            claims.append(vars(claim) | found)
    rows = [
        {"row": name, "title": ROWS[name].title, "seed": seed, "scores": scores}
        for (name, seed), scores in cells.items()
    ]
    return {"cells": rows, "claims": claims}
