"""What a report file may hold: checked before anything is computed from it."""

from __future__ import annotations

from typing import Any

import msgspec

Scores = dict[str, float | str | None]


class PackedArray(msgspec.Struct):
    """A column of counts."""

    dtype: str
    shape: list[int]
    zlib: str


class PackedStatistics(msgspec.Struct):
    """Counts of one family of metrics."""

    family: str
    videos: list[str]
    classes: list[str]
    novel: list[bool] | None
    arrays: dict[str, PackedArray]


class Dropped(msgspec.Struct):
    """Records that a lenient reader left out."""

    file: str
    reason: str
    count: int
    examples: list[str]


class Shard(msgspec.Struct):
    """Which part of an evaluation it is."""

    index: int
    of: int


class Part(msgspec.Struct):
    """What every report says."""

    format: int
    benchmark: str
    protocol: dict[str, Any]
    dropped: list[Dropped]
    statistics: dict[str, PackedStatistics]


class ShardReport(Part):
    """The counts of one shard."""

    shard: Shard


class OracleRow(msgspec.Struct):
    """Scores with one kind of mistake taken away."""

    name: str
    summary: dict[str, Scores | None]


class Oracle(msgspec.Struct):
    """The error budget."""

    columns: list[str]
    rows: list[OracleRow]


class Table(msgspec.Struct):
    """A table as it is; a row begins with the name of its video."""

    columns: list[str]
    rows: list[list[str | float | None]]


class Curve(msgspec.Struct):
    """A score over its threshold."""

    metric: str
    label: str
    places: list[float]
    values: list[float | None]


class Report(Part):
    """A whole evaluation."""

    headline: list[str]
    totals: list[str]
    summary: dict[str, Scores | None]
    per_class: dict[str, Scores]
    per_video: dict[str, Scores | None]
    per_point: Table | None = None
    per_attribute: dict[str, Scores] = {}
    per_run: dict[str, Scores | None] = {}
    curves: list[Curve] = []
    oracle: Oracle | None = None


def fault_of(report: Any) -> str | None:
    """What is wrong with the content of a report file, in words; None if nothing is."""
    is_shard = isinstance(report, dict) and "shard" in report
    try:
        found = msgspec.convert(report, ShardReport if is_shard else Report)
    except msgspec.ValidationError as error:
        return str(error)
    if isinstance(found, Report) and not found.headline:
        return "'headline' is empty"
    counts = found.protocol.get("classes_evaluated", {})
    if not isinstance(counts, dict) or not all(isinstance(n, int) for n in counts.values()):
        return "'classes_evaluated' is not a number per group"
    return None
