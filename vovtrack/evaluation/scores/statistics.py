"""What every benchmark counts: rows of numbers by video and class, and how rows become scores.

A metric is split in two. Counting looks at the boxes of one video and writes rows; scoring turns
any set of rows into numbers. Everything else follows from the rows: scores per class and per
video, shards that are counted apart and joined, oracles, and the bootstrap over videos, which is
nothing but other weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from vovtrack.errors import InputError
from vovtrack.structures.vocabulary import first_repeated

GROUPS = ("all", "base", "novel")
Rates = Callable[["Statistics", np.ndarray, int, np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Statistics:
    """Rows of counts, R of them, over V videos and C classes.

    Attributes:
        family: Name of the :class:`MetricFamily` that can score the rows.
        videos: V video names; the order of the rows follows it.
        classes: C class names; one name where the benchmark knows no classes.
        novel: (C,) bool, or None where the benchmark has no base and novel classes.
        video: (R,) int64 position in ``videos``.
        label: (R,) int64 position in ``classes``.
        columns: Arrays of R rows each, (R,) or (R, K), as the family defines them.
    """

    family: str
    videos: tuple[str, ...]
    classes: tuple[str, ...]
    novel: np.ndarray | None
    video: np.ndarray
    label: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.video)

    def select(self, rows: np.ndarray) -> Statistics:
        """Return only the given rows (indices or mask); videos and classes keep their numbers."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, video=self.video[rows], label=self.label[rows], columns=columns)

    def sums(self, name: str, group: np.ndarray, count: int, weights: np.ndarray) -> np.ndarray:
        """Add up a column by group, in row order.

        Args:
            name: The column, (R,) or (R, K).
            group: (R,) group of each row, 0 to count - 1.
            count: Number of groups.
            weights: (R,) how often each row counts.

        Returns:
            (count,) or (count, K) float64.
        """
        column = self.columns[name]
        rows = np.arange(len(group))
        adder = scipy.sparse.csr_matrix((weights, (group, rows)), shape=(count, len(group)))
        width = int(np.prod(column.shape[1:]))
        total = adder @ column.reshape(len(rows), width)
        return total.reshape(count, *column.shape[1:])


class Curve(NamedTuple):
    """A score over a threshold.

    Attributes:
        metric: The score that this curve explains.
        label: What the threshold is.
        places: (K,) thresholds.
        values: (K,) points.
    """

    metric: str
    label: str
    places: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class MetricFamily:
    """How the rows of one kind of metric become scores.

    Attributes:
        name: As in :attr:`Statistics.family`.
        metrics: Names of the scores, most important first.
        rates: ``rates(statistics, group, count, weights)``: for rows (R,) in groups 0 to
            count - 1 and with weights (R,), every metric of every group, (count,) each, scores in
            points 0 to 100; NaN where a group has no ground truth.
        totals: Those of ``metrics`` that are counts: added up over classes, not averaged.
        absent: What a class without ground truth contributes to the mean over classes; NaN leaves
            it out.
        pooled: Also report ``"overall"``, the rows of all classes taken as one class.
        curves: Scores of all rows over their thresholds, where the family has such.
        runs: The rows of each run of a tracker, where they hold several.
    """

    name: str
    metrics: tuple[str, ...]
    rates: Rates
    totals: frozenset[str] = frozenset()
    absent: float = float("nan")
    pooled: bool = False
    curves: Callable[[Statistics], list[Curve]] | None = None
    runs: Callable[[Statistics], list[Statistics]] | None = None

    def summary(
        self, statistics: Statistics, video_weights: np.ndarray | None = None
    ) -> dict[str, dict[str, float] | None]:
        """Score the whole dataset.

        Args:
            statistics: Rows of this family.
            video_weights: (V,) how often each video counts; default: once.

        Returns:
            {group: {metric: points}}; groups are ``all``, ``base`` and ``novel`` where the
            benchmark has such classes, and ``overall`` where the family pools; None for a group
            without ground truth.
        """
        weights = _row_weights(statistics, video_weights)
        rates = self.rates(statistics, statistics.label, len(statistics.classes), weights)
        everything = np.ones(len(statistics.classes), dtype=bool)
        groups = {"all": everything}
        if statistics.novel is not None:
            groups |= {"base": ~statistics.novel, "novel": statistics.novel}
        summary = {name: self._average(rates, chosen) for name, chosen in groups.items()}
        if self.pooled:
            one = np.zeros(len(statistics), dtype=np.int64)
            summary["overall"] = self._average(
                self.rates(statistics, one, 1, weights), np.ones(1, dtype=bool)
            )
        return summary

    def per_class(self, statistics: Statistics) -> dict[str, dict[str, float]]:
        """Score every class that has ground truth: {class: {metric: points}}."""
        weights = _row_weights(statistics, None)
        rates = self.rates(statistics, statistics.label, len(statistics.classes), weights)
        present = np.flatnonzero(self._present(rates))
        return {
            statistics.classes[k]: {metric: float(rates[metric][k]) for metric in self.metrics}
            for k in present
        }

    def per_video(self, statistics: Statistics) -> dict[str, dict[str, float] | None]:
        """Score every video by itself: {video: {metric: points}}, None without ground truth.

        Classes are averaged inside the video over those that have ground truth in it.
        """
        classes = len(statistics.classes)
        codes, group = np.unique(statistics.video * classes + statistics.label, return_inverse=True)
        weights = _row_weights(statistics, None)
        rates = self.rates(statistics, group.ravel(), len(codes), weights)
        chosen = [np.flatnonzero(codes // classes == v) for v in range(len(statistics.videos))]
        leave_out = replace(self, absent=float("nan"))
        return {
            name: leave_out._average(rates, rows)
            for name, rows in zip(statistics.videos, chosen, strict=True)
        }

    def _present(self, rates: Mapping[str, np.ndarray]) -> np.ndarray:
        return ~np.isnan(rates[self.metrics[0]])

    def _average(
        self, rates: Mapping[str, np.ndarray], chosen: np.ndarray
    ) -> dict[str, float] | None:
        """Mean over the chosen classes (mask or positions), sum for counts."""
        if not self._present(rates)[chosen].any():
            return None
        averages = {}
        for metric in self.metrics:
            values = rates[metric][chosen]
            if metric in self.totals:
                averages[metric] = float(np.nansum(values))
                continue
            if not np.isnan(self.absent):
                values = np.where(np.isnan(values), self.absent, values)
            known = values[~np.isnan(values)]
            averages[metric] = float(known.mean()) if len(known) else float("nan")
        return averages


def from_videos(
    family: str,
    videos: Sequence[str],
    classes: Sequence[str],
    novel: np.ndarray | None,
    rows: Sequence[tuple[np.ndarray, dict[str, np.ndarray]]],
    empty: dict[str, np.ndarray],
) -> Statistics:
    """Join the rows of single videos.

    Args:
        family: Name of the family.
        videos: V names.
        classes: C names.
        novel: (C,) bool or None.
        rows: For each video the labels (r,) and the columns of its rows.
        empty: The columns with no rows, which give the shapes where no video has any.
    """
    return Statistics(
        family=family,
        videos=tuple(videos),
        classes=tuple(classes),
        novel=novel,
        video=np.repeat(np.arange(len(videos)), [len(labels) for labels, _ in rows]),
        label=np.concatenate([np.zeros(0, dtype=np.int64), *(labels for labels, _ in rows)]),
        columns={
            name: np.concatenate([column, *(columns[name] for _, columns in rows)])
            for name, column in empty.items()
        },
    )


def merge(parts: Sequence[Statistics]) -> Statistics:
    """Join what several processes counted; the order of the parts is the order of the videos.

    Raises:
        InputError: The parts speak of different metrics or classes, or share a video.
    """
    first = parts[0]
    for part in parts[1:]:
        if (part.family, part.classes) != (first.family, first.classes):
            raise InputError("Shards of different benchmarks or annotations cannot be joined.")
    videos = tuple(name for part in parts for name in part.videos)
    if (repeated := first_repeated(videos)) is not None:
        raise InputError(f"Video '{repeated}' was counted in more than one shard.")
    starts = np.cumsum([0, *(len(part.videos) for part in parts[:-1])])
    return replace(
        first,
        videos=videos,
        video=np.concatenate([p.video + s for p, s in zip(parts, starts, strict=True)]),
        label=np.concatenate([part.label for part in parts]),
        columns={
            name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns
        },
    )


def _row_weights(statistics: Statistics, video_weights: np.ndarray | None) -> np.ndarray:
    if video_weights is None:
        return np.ones(len(statistics))
    return np.asarray(video_weights, dtype=np.float64)[statistics.video]


@dataclass(frozen=True)
class Scores:
    """Scores of a benchmark.

    Attributes:
        summary: {group: {metric: points} or None}.
        per_class: {class: {metric: points}}, with ``group`` where classes are base or novel.
        per_video: {video: {metric: points} or None}.
        totals: Metrics that are counts.
    """

    summary: dict[str, Any]
    per_class: dict[str, dict[str, Any]]
    per_video: dict[str, Any]
    totals: frozenset[str] = frozenset()
