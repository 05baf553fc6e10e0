"""Evaluate a benchmark from files: open, count by video, score."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks import Source, WholeSource, find_benchmark, find_family
from vovtrack.evaluation.oracle import ORACLES
from vovtrack.evaluation.reports.report import assemble, make_report, shard_report
from vovtrack.evaluation.scores.statistics import Statistics, merge
from vovtrack.formats.faults import InputFaults

Progress = Callable[[int, int], None]


def evaluate(
    benchmark: str,
    gt: str | Path,
    pred: str | Path,
    *,
    lenient: bool = False,
    shards: int = 1,
    shard: int | None = None,
    oracle: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Evaluate predictions and say exactly what was evaluated.

    Args:
        benchmark: One of :data:`vovtrack.evaluation.benchmarks.BENCHMARKS`.
        gt: Ground truth in the benchmark's format.
        pred: Predictions in the benchmark's format.
        lenient: Leave faulty records out, count and list them, instead of refusing the file.
        shards: Number of pieces into which the videos are divided, each counted by a process of
            its own. The numbers do not depend on it.
        shard: Count only this piece, 0 to shards - 1, and return a partial report for
            :func:`vovtrack.evaluation.reports.report.join_shards`.
        oracle: Also evaluate with perfect boxes, labels and links.
        progress: Called with the number of videos counted and the number of videos.
        **options: Options of the benchmark, see its ``open_source``.

    Returns:
        The report, see :func:`vovtrack.evaluation.reports.report.make_report`.

    Raises:
        InputError: Unusable input, named with file and record.
    """
    chosen = find_benchmark(benchmark)
    problems = InputFaults(lenient)
    source = chosen.open(Path(gt), Path(pred), problems, **options)
    dropped = problems.listing()
    if isinstance(source, WholeSource):
        if shards > 1 or shard is not None or oracle:
            raise InputError(f"{benchmark} is evaluated as a whole: it has no shards or oracles.")
        return assemble(chosen, source.scores(), source.protocol, dropped, {})
    bounds = divide(source.sizes, shards)
    if shard is not None:
        if not 0 <= shard < shards:
            raise InputError(f"--shard {shard}: expected a number from 0 to {shards - 1}.")
        part = source.count(*bounds[shard])
        return shard_report(chosen, part, source.protocol, dropped, shard, shards)
    report = make_report(chosen, count(source, bounds, progress), source.protocol, dropped)
    if hasattr(source, "per_point"):
        report["per_point"] = source.per_point()
    if oracle:
        report["oracle"] = error_budget(source, bounds, report["headline"], report["summary"])
    return report


def divide(sizes: np.ndarray, shards: int) -> list[tuple[int, int]]:
    """Cut the videos into contiguous ranges with about the same number of boxes each.

    Args:
        sizes: (V,) number of boxes per video.
        shards: Number of ranges, possibly empty ones.

    Raises:
        InputError: ``shards`` is not positive.
    """
    if shards < 1:
        raise InputError(f"--shards {shards}: expected at least 1.")
    done = np.cumsum(sizes)
    goals = np.arange(1, shards) * (done[-1] if len(done) else 0) / shards
    cuts = [0, *np.searchsorted(done, goals, side="right").tolist(), len(sizes)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def count(
    source: Source, bounds: Sequence[tuple[int, int]], progress: Progress | None = None
) -> dict[str, Statistics]:
    """Count ranges of videos, each in its own process where there are several.

    Args:
        source: Opened files.
        bounds: Contiguous ranges that cover all videos, in order.
        progress: See :func:`evaluate`.

    Returns:
        {family: counts of all videos}.
    """
    pieces = [piece for first, last in bounds for piece in _pieces(first, last)]
    parts = []
    for part, (_, last) in zip(_counted(source, pieces, len(bounds)), pieces, strict=True):
        parts.append(part)
        if progress:
            progress(last, len(source.videos))
    return {name: merge([part[name] for part in parts]) for name in source.families}


def error_budget(
    source: Source,
    bounds: Sequence[tuple[int, int]],
    headline: Sequence[str],
    summary: Mapping[str, Any],
) -> dict[str, Any]:
    """Evaluate again with one kind of mistake taken away at a time.

    Returns:
        ``columns``: the metrics; ``rows``: name and summary of each variant.

    Raises:
        InputError: The benchmark has no oracles.
    """
    if not hasattr(source, "with_oracle"):
        raise InputError("--oracle works for benchmarks of tracked boxes only.")
    several = len(next(iter(count(source, [(0, 0)]).values())).classes) > 1
    oracles = ORACLES if several else tuple(kind for kind in ORACLES if kind != "labels")
    rows = [{"name": "as tracked", "summary": dict(summary)}]
    for kinds in (*((kind,) for kind in oracles), oracles):
        counted = count(source.with_oracle(kinds), bounds)
        scores: dict[str, Any] = {}
        for name, statistics in counted.items():
            for group, values in find_family(name).summary(statistics).items():
                scores[group] = {**(scores.get(group) or {}), **values} if values else None
        rows.append({"name": "perfect " + ", ".join(kinds), "summary": scores})
    return {"columns": list(headline), "rows": rows}


_PIECE = 50  # videos counted between two signs of progress


def _pieces(first: int, last: int) -> list[tuple[int, int]]:
    starts = range(first, last, _PIECE)
    return [(start, min(start + _PIECE, last)) for start in starts] or [(first, last)]


def _counted(
    source: Source, pieces: Sequence[tuple[int, int]], workers: int
) -> Iterator[dict[str, Statistics]]:
    if workers == 1:
        yield from (source.count(*piece) for piece in pieces)
        return
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    with ProcessPoolExecutor(workers, context, _hold, (source,)) as pool:
        yield from pool.map(_count_piece, pieces)


_held: Source


def _hold(source: Source) -> None:
    """Keep the source in a worker process, so that a task is only two numbers."""
    global _held
    _held = source


def _count_piece(piece: tuple[int, int]) -> dict[str, Statistics]:
    return _held.count(*piece)
