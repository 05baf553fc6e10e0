"""The result of an evaluation as a JSON-ready dict, and its file.

A report says what was evaluated (``protocol``), what was left out (``dropped``), the scores
(``summary``, ``per_class``, ``per_video``) and the counts they were made of (``statistics``), so
that reports can be compared, and shards joined, without the predictions.
"""

from __future__ import annotations

import base64
import json
import math
import platform
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks import Benchmark, find_benchmark, find_family
from vovtrack.evaluation.reports.schema import fault_of
from vovtrack.evaluation.scores.statistics import MetricFamily, Scores, Statistics, merge
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write

FORMAT = 1
MAX_COUNTS = 1 << 26
"""Numbers in one report; a run over all of TAO has a hundredth of it."""


def make_report(
    benchmark: Benchmark,
    statistics: Mapping[str, Statistics],
    protocol: Mapping[str, Any],
    dropped: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Score counts and put everything into one dict.

    Args:
        benchmark: What was evaluated.
        statistics: {family: counts}.
        protocol: Facts that decide the numbers.
        dropped: What a lenient reader left out, see :meth:`InputFaults.listing`.

    Returns:
        ``summary``: {group: {metric: points} or None}; ``summary_rounded``: base and novel means
        of per-class values rounded to five digits, as published TETA tables are made;
        ``per_class``, ``per_video``; ``totals``: metrics that are counts; ``protocol``,
        ``dropped``, ``statistics``; and where there are such, ``curves`` over thresholds,
        ``per_attribute`` of the videos and ``per_run`` of the tracker.
    """
    summary: dict[str, Any] = {}
    per_class: dict[str, dict] = {}
    per_video: dict[str, Any] = {}
    totals: set[str] = set()
    extras: dict[str, Any] = {}
    for name, counts in statistics.items():
        family = find_family(name)
        extras |= _extras(family, counts, protocol)
        totals |= family.totals
        _update(summary, family.summary(counts))
        _update(per_class, family.per_class(counts))
        _update(per_video, family.per_video(counts))
    first = next(iter(statistics.values()))
    if first.novel is not None:
        for name, novel in zip(first.classes, first.novel, strict=True):
            if name in per_class:
                per_class[name]["group"] = "novel" if novel else "base"
    packed = {name: _pack(counts) for name, counts in statistics.items()}
    scores = Scores(summary, per_class, per_video, frozenset(totals))
    return assemble(benchmark, scores, protocol, dropped, packed) | _without_nan(extras)


def _extras(
    family: MetricFamily, counts: Statistics, protocol: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores that only some families have."""
    extras: dict[str, Any] = {}
    if family.curves:
        extras["curves"] = [
            dict(curve._asdict(), places=curve.places.tolist(), values=curve.values.tolist())
            for curve in family.curves(counts)
        ]
        if members := protocol.get("attributes"):
            extras["per_attribute"] = {
                name: {
                    "sequences": len(videos),
                    **(family.summary(counts, np.isin(counts.videos, videos))["all"] or {}),
                }
                for name, videos in members.items()
            }
    if family.runs and len(names := protocol.get("runs", ())) > 1:
        parts = zip(names, family.runs(counts), strict=True)
        extras["per_run"] = {name: family.summary(part)["all"] for name, part in parts}
    return extras


def assemble(
    benchmark: Benchmark,
    scores: Scores,
    protocol: Mapping[str, Any],
    dropped: Sequence[Mapping[str, Any]],
    statistics: Mapping[str, Any],
) -> dict[str, Any]:
    """Put scores and what they are scores of into one JSON-ready dict, see :func:`make_report`."""
    report = {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "headline": list(benchmark.headline),
        "totals": sorted(scores.totals),
        "summary": scores.summary,
        "per_class": scores.per_class,
        "per_video": scores.per_video,
        "protocol": {
            **protocol,
            "classes_evaluated": _class_counts(scores.per_class),
            **versions(),
        },
        "dropped": list(dropped),
        "statistics": dict(statistics),
    }
    if "TETA" in benchmark.headline:
        report["summary_rounded"] = rounded_summary(report)
    return _without_nan(report)


def rounded_summary(report: Mapping[str, Any], digits: int = 5) -> dict[str, Any]:
    """Means over classes of values rounded first, as published base and novel tables are made."""
    rounded: dict[str, Any] = {}
    for group in report["summary"]:
        rows = [
            {k: float(f"{v:.{digits}g}") for k, v in scores.items() if isinstance(v, float)}
            for scores in report["per_class"].values()
            if group == "all" or scores.get("group") == group
        ]
        rounded[group] = (
            {metric: sum(row[metric] for row in rows) / len(rows) for metric in rows[0]}
            if rows
            else None
        )
    return rounded


def statistics_of(report: Mapping[str, Any], source: str | Path) -> dict[str, Statistics]:
    """Unpack the counts of a report.

    Raises:
        InputError: They are damaged or missing.
    """
    try:
        _check_size(report["statistics"])
        found = {name: _unpack(packed) for name, packed in report["statistics"].items()}
        for name, statistics in found.items():
            # Altered counts may lack a column, or have one that cannot be scored.
            find_family(name).summary(statistics)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{source}: the counts of this report are damaged ({_first_line(error)}). Evaluate "
            "again."
        ) from None
    return found


def write_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Write a report as JSON, complete or not at all."""
    with atomic_write(path) as file:
        json.dump(report, file, indent=1, allow_nan=False)


def read_report(path: str | Path) -> dict[str, Any]:
    """Read what :func:`write_report` wrote.

    Raises:
        InputError: The file is not a report of this program.
    """
    report = read_json(path)
    if (fault := fault_of(report)) is not None:
        raise InputError(
            f"{path}: expected a report written by 'vovtrack evaluate --out': {fault}."
        )
    if report["format"] != FORMAT:
        raise InputError(
            f"{path}: report format {report['format']} is not {FORMAT}; evaluate again."
        )
    try:
        find_benchmark(report["benchmark"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return report


def join_shards(reports: Sequence[Mapping[str, Any]], sources: Sequence[str | Path]) -> dict:
    """Join the partial reports of all shards into one.

    Raises:
        InputError: A shard is missing or doubled, or they are of different runs.
    """
    for report, source in zip(reports, sources, strict=True):
        if "shard" not in report:
            raise InputError(f"{source}: this is a whole report, not one shard of several.")
        for key in ("benchmark", "protocol", "dropped"):
            if report[key] != reports[0][key]:
                raise InputError(f"{source}: '{key}' differs from that of {sources[0]}.")
    of = reports[0]["shard"]["of"]
    found = sorted(report["shard"]["index"] for report in reports)
    if found != list(range(of)):
        missing = sorted(set(range(of)) - set(found))
        fault = f"shard {missing[0]} is missing" if missing else "a shard was given twice"
        raise InputError(f"{sources[0]}: {len(reports)} of {of} shards were given; {fault}.")
    order = sorted(range(len(reports)), key=lambda k: reports[k]["shard"]["index"])
    parts = [statistics_of(reports[k], sources[k]) for k in order]
    joined = {name: merge([part[name] for part in parts]) for name in parts[0]}
    first = reports[0]
    return make_report(
        find_benchmark(first["benchmark"]), joined, first["protocol"], first["dropped"]
    )


def shard_report(
    benchmark: Benchmark,
    statistics: Mapping[str, Statistics],
    protocol: Mapping[str, Any],
    dropped: Sequence[Mapping[str, Any]],
    index: int,
    of: int,
) -> dict[str, Any]:
    """The counts of one shard, to be joined by :func:`join_shards`."""
    return {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "shard": {"index": index, "of": of},
        "protocol": dict(protocol),
        "dropped": list(dropped),
        "statistics": {name: _pack(counts) for name, counts in statistics.items()},
    }


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _update(total: dict[str, Any], addition: Mapping[str, Any]) -> None:
    """Add the metrics of one more family to every entry."""
    for name, scores in addition.items():
        total[name] = total.get(name) if scores is None else {**(total.get(name) or {}), **scores}


def _class_counts(per_class: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    groups = [scores.get("group") for scores in per_class.values()]
    return {"all": len(groups), "base": groups.count("base"), "novel": groups.count("novel")}


def versions() -> dict[str, str]:
    """What computed a report, by its version."""
    try:
        own = version("vovtrack")
    except PackageNotFoundError:
        own = "source tree"
    return {"vovtrack": own, "numpy": np.__version__, "python": platform.python_version()}


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a score that does not exist is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _pack(statistics: Statistics) -> dict[str, Any]:
    arrays = {"video": statistics.video, "label": statistics.label, **statistics.columns}
    novel = statistics.novel
    return {
        "family": statistics.family,
        "videos": list(statistics.videos),
        "classes": list(statistics.classes),
        "novel": None if novel is None else novel.tolist(),
        "arrays": {name: _pack_array(array) for name, array in arrays.items()},
    }


def _pack_array(array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind in "iu":
        array = array.astype(np.min_scalar_type(-int(np.abs(array).max(initial=0)) - 1))
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    data = base64.b64encode(zlib.compress(little.tobytes())).decode("ascii")
    return {"dtype": little.dtype.str, "shape": list(array.shape), "zlib": data}


def _check_size(statistics: Mapping[str, Any]) -> None:
    arrays = [array for part in statistics.values() for array in part["arrays"].values()]
    if sum(math.prod(array["shape"]) for array in arrays) > MAX_COUNTS:
        raise ValueError(f"more than {MAX_COUNTS} numbers; they are not unpacked")


def _unpack(packed: Mapping[str, Any]) -> Statistics:
    arrays = {name: _unpack_array(array) for name, array in packed["arrays"].items()}
    video, label = (arrays.pop(name).astype(np.int64) for name in ("video", "label"))
    if any(len(array) != len(video) for array in (label, *arrays.values())):
        raise ValueError("columns of different length")
    for numbers, names in ((video, "videos"), (label, "classes")):
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(packed[names]):
            raise ValueError(f"a row outside of {names}")
    novel = packed["novel"]
    return Statistics(
        family=packed["family"],
        videos=tuple(packed["videos"]),
        classes=tuple(packed["classes"]),
        novel=None if novel is None else np.array(novel, dtype=bool),
        video=video,
        label=label,
        columns=arrays,
    )


def _unpack_array(packed: Mapping[str, Any]) -> np.ndarray:
    dtype = np.dtype(packed["dtype"])
    if dtype.kind not in "biuf":
        raise ValueError(f"numbers of type {dtype}")
    size = int(np.prod(packed["shape"], dtype=object)) * dtype.itemsize
    data = zlib.decompressobj().decompress(base64.b64decode(packed["zlib"]), size + 1)
    if len(data) != size:
        raise ValueError("an array of unexpected size")
    return np.frombuffer(data, dtype).reshape(packed["shape"])
