"""Is B really better than A? Paired bootstrap over videos.

Efron, Tibshirani: "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
Videos are drawn with replacement, the same ones for every report, and everything is scored again
from the counts; what differs between reports on the same draw is their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks import find_family
from vovtrack.evaluation.reports.report import statistics_of
from vovtrack.evaluation.scores.statistics import Statistics
from vovtrack.structures.vocabulary import first_repeated

_SAME = (
    *("annotations_sha256", "split", "classes_evaluated", "class_mask", "max_detections"),
    "preset",
)


def compare(
    reports: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare reports of one benchmark with the first of them.

    Args:
        reports: What :func:`vovtrack.evaluation.pipeline.evaluate` returned, two or more.
        names: What to call them.
        resamples: Number of bootstrap draws.
        confidence: Probability that the interval covers.
        seed: Seed of the draws.
        progress: Called with the number of draws done and wanted.

    Returns:
        ``groups``: {group: {metric: one entry per report}}. An entry holds ``name``, ``value``
        in points, ``difference`` to the first report, the interval ``low`` to ``high`` of that
        difference, and ``p``, the two-sided bootstrap probability of no difference.

    Raises:
        InputError: Fewer than two reports, or reports that were made by different protocols.
    """
    counts = _checked(reports, names)
    headline = reports[0]["headline"]
    videos = next(iter(counts[0].values())).videos
    places = [_places(part, videos, name) for part, name in zip(counts, names, strict=True)]
    values = [_scores(part, headline, None) for part in counts]
    rng = np.random.default_rng(seed)
    draws = np.full((resamples, len(reports), len(values[0])), np.nan)
    for k in range(resamples):
        drawn = rng.multinomial(len(videos), np.full(len(videos), 1 / len(videos)))
        for r, part in enumerate(counts):
            scores = _scores(part, headline, drawn[places[r]])
            draws[k, r] = [scores.get(key, np.nan) for key in values[0]]
        if progress:
            progress(k + 1, resamples)
    groups: dict[str, dict[str, list]] = {}
    for column, (group, metric) in enumerate(values[0]):
        groups.setdefault(group, {})[metric] = [
            _entry(names[r], values, draws, r, column, confidence) for r in range(len(reports))
        ]
    return {
        "benchmark": reports[0]["benchmark"],
        "headline": list(headline),
        "names": list(names),
        "reference": names[0],
        "groups": groups,
        "resamples": resamples,
        "confidence": confidence,
        "seed": seed,
        "videos": len(videos),
    }


def _checked(
    reports: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[dict[str, Statistics]]:
    if len(reports) < 2:
        raise InputError("Comparing takes two reports or more.")
    if (repeated := first_repeated(names)) is not None:
        raise InputError(f"'{repeated}' is given twice: name each report once.")
    first = reports[0]
    for report, name in zip(reports, names, strict=True):
        if report["benchmark"] != first["benchmark"]:
            raise InputError(
                f"{name} is a result of {report['benchmark']}, {names[0]} of {first['benchmark']}."
            )
        for key in _SAME:
            if report["protocol"].get(key) != first["protocol"].get(key):
                raise InputError(
                    f"{name} and {names[0]} differ in '{key}' "
                    f"({report['protocol'].get(key)} and {first['protocol'].get(key)}), so their "
                    "numbers cannot be compared. Evaluate both by one protocol."
                )
    counts = [statistics_of(r, name) for r, name in zip(reports, names, strict=True)]
    if not counts[0]:
        raise InputError(f"{first['benchmark']} has no counts per video, so it has no intervals.")
    for part, name in zip(counts, names, strict=True):
        if part.keys() != counts[0].keys():
            raise InputError(
                f"{name} has counts of {sorted(part) or 'nothing'}, {names[0]} of "
                f"{sorted(counts[0])}. Evaluate both by one protocol."
            )
    return counts


def _places(part: Mapping[str, Statistics], videos: tuple[str, ...], name: str) -> np.ndarray:
    """Position in ``videos`` of each video of a report."""
    position = {video: k for k, video in enumerate(videos)}
    own = next(iter(part.values())).videos
    if set(own) != set(videos):
        raise InputError(f"{name}: the report is of other videos than the first one.")
    return np.array([position[video] for video in own], dtype=np.int64)


def _scores(
    part: Mapping[str, Statistics], headline: Sequence[str], weights: np.ndarray | None
) -> dict[tuple[str, str], float]:
    """Scores of the headline metrics: {(group, metric): points}."""
    found = {}
    for name, statistics in part.items():
        for group, scores in find_family(name).summary(statistics, weights).items():
            for metric in headline:
                if scores and metric in scores:
                    found[group, metric] = scores[metric]
    return found


def _entry(
    name: str, values: list[dict], draws: np.ndarray, r: int, column: int, confidence: float
) -> dict[str, Any]:
    key = list(values[0])[column]
    value, reference = values[r].get(key), values[0][key]
    entry: dict[str, Any] = {"name": name, "value": value}
    if r:
        differences = draws[:, r, column] - draws[:, 0, column]
        differences = differences[~np.isnan(differences)]
        tail = 50 * (1 - confidence)
        low, high = np.percentile(differences, [tail, 100 - tail])
        extreme = min((differences <= 0).sum(), (differences >= 0).sum()) + 1
        entry |= {
            "difference": value - reference,
            "low": float(low),
            "high": float(high),
            "p": float(min(1.0, 2 * extreme / (len(differences) + 1))),
        }
    return entry
