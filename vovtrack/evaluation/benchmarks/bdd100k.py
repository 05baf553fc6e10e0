"""BDD100K tracking: mMOTA and mIDF1 with the conventions of Scalabel, HOTA, and TETA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.oracle import correct
from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.clear import COLUMNS, count_clear
from vovtrack.evaluation.scores.frames import split_frames
from vovtrack.evaluation.scores.hota import HOTA, count_hota
from vovtrack.evaluation.scores.hota import empty_columns as empty_hota
from vovtrack.evaluation.scores.identity import COLUMNS as ID_COLUMNS
from vovtrack.evaluation.scores.identity import count_identity
from vovtrack.evaluation.scores.matching import EPS
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics, from_videos
from vovtrack.evaluation.scores.teta import TETA, pair_up
from vovtrack.evaluation.scores.teta import empty_columns as empty_teta
from vovtrack.evaluation.scores.teta_exhaustive import count_video_exhaustive
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.bdd100k import CLASSES, IGNORE, BddVideo, read_videos
from vovtrack.formats.faults import InputFaults

OVERLAP = 0.5
METRICS = ("mMOTA", "mIDF1", "mMOTP", "FP", "FN", "IDSW")
_TOTALS = {"FP": "fp", "FN": "fn", "IDSW": "idsw"}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """MOTA, IDF1 and MOTP in points, NaN without ground truth, and counts.

    The mean over the eight classes is mMOTA, mIDF1 and mMOTP, where a class without ground truth
    counts as 0; ``overall`` pools the boxes of all classes.
    """
    sums = {n: statistics.sums(n, group, count, weights) for n in (*COLUMNS, *ID_COLUMNS)}
    boxes = sums["tp"] + sums["fn"]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = {
            "mMOTA": 1 - (sums["fn"] + sums["fp"] + sums["idsw"]) / boxes,
            "mIDF1": 2 * sums["idtp"] / (2 * sums["idtp"] + sums["idfp"] + sums["idfn"]),
            "mMOTP": np.nan_to_num(sums["iou"] / sums["tp"]),
        }
    found = {name: np.where(boxes > 0, 100 * score, np.nan) for name, score in scores.items()}
    return found | {metric: sums[column] for metric, column in _TOTALS.items()}


def _named(metric: str) -> str:
    """HOTA and TETA both have a ``LocA``."""
    return f"TETA-{metric}" if metric in HOTA.metrics else metric


def teta_rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """TETA, with ``TETA-`` before the names that HOTA has too."""
    return {_named(m): v for m, v in TETA.rates(statistics, group, count, weights).items()}


BDD_HOTA = replace(HOTA, name="bdd_hota", absent=0.0, pooled=True)
BDD_TETA = MetricFamily("bdd_teta", tuple(map(_named, TETA.metrics)), teta_rates)
BDD_MOT = MetricFamily(
    "bdd_mot", METRICS, rates, totals=frozenset(_TOTALS), absent=0.0, pooled=True
)


@dataclass(frozen=True)
class BddSource:
    """Opened labels, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        gt: Ground truth of each video.
        dt: Predictions of each video.
        oracle: Corrections, see :mod:`vovtrack.evaluation.oracle`.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    gt: tuple[BddVideo, ...]
    dt: tuple[BddVideo, ...]
    oracle: tuple[str, ...] = ()

    def with_oracle(self, kinds: tuple[str, ...]) -> BddSource:
        """Return the same source with predictions made perfect in some respects."""
        return replace(self, oracle=kinds)

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count videos ``first`` to ``last - 1``."""
        rows = [self._count_video(k) for k in range(first, last)]
        empty = {
            BDD_MOT.name: {name: np.zeros(0) for name in (*COLUMNS, *ID_COLUMNS)},
            BDD_HOTA.name: empty_hota(),
            BDD_TETA.name: empty_teta(0),
        }
        videos = self.videos[first:last]
        return {
            family: from_videos(
                family, videos, CLASSES, None, [counts[family] for counts in rows], empty[family]
            )
            for family in self.families
        }

    def _tables(self, gt: BddVideo, dt: BddVideo, extent: int) -> tuple[BoxTable, BoxTable]:
        """Ground truth and predictions, corrected by the oracle if there is one."""
        truth, found = table(gt, extent), table(dt, extent)
        if self.oracle:
            found = correct(_counted(truth), found, self.oracle, exhaustive=True)
        return truth, found

    def _count_video(self, k: int) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
        gt, dt = self.gt[k], self.dt[k]
        num_frames = len(gt.frames)
        # Scalabel counts the pixel under the right and bottom corner to the box.
        wide, plain = self._tables(gt, dt, extent=1), self._tables(gt, dt, extent=0)
        kept_gt, every_dt = _counted(wide[0]), without_ignored(*wide)
        return {
            BDD_MOT.name: _by_class(*wide, num_frames, _count_mot),
            BDD_HOTA.name: _by_class(*plain, num_frames, _count_hota),
            BDD_TETA.name: count_video_exhaustive(kept_gt, every_dt, np.arange(len(CLASSES))),
        }


def _counted(gt: BoxTable) -> BoxTable:
    return gt.select(gt.categories != IGNORE)


def open_source(gt: Path, pred: Path, problems: InputFaults) -> BddSource:
    """Open labels and results in Scalabel JSON.

    Args:
        gt: JSON file, or folder or ``.zip`` of such files.
        pred: Likewise.
        problems: What happens to faulty labels and to videos that only one side has.

    Raises:
        InputError: See :func:`vovtrack.formats.bdd100k.read_videos`.
    """
    truth, found = read_videos(gt, problems), read_videos(pred, problems)
    for name in sorted(set(found) - set(truth)):
        problems.report(pred, f"video '{name}'", "the ground truth has no such video")
    for name in sorted(set(truth) - set(found)):
        problems.report(pred, f"video '{name}'", "the results of this video are missing")
    predictions = [found.get(name, BddVideo(name)) for name in truth]
    for video, prediction in zip(truth.values(), predictions, strict=True):
        if unknown := prediction.frames - video.frames:
            where = f"frame {min(unknown)} of video '{video.name}'"
            problems.report(pred, where, "the ground truth has no such frame")
            _drop_frames(prediction, unknown)
    sizes = [len(g.times) + len(d.times) for g, d in zip(truth.values(), predictions, strict=True)]
    return BddSource(
        videos=tuple(truth),
        sizes=np.array(sizes),
        families=(BDD_MOT.name, BDD_HOTA.name, BDD_TETA.name),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(truth),
            "classes": len(CLASSES),
            "threshold": OVERLAP,
        },
        gt=tuple(truth.values()),
        dt=tuple(predictions),
    )


def table(video: BddVideo, extent: int) -> BoxTable:
    """The labels of a video as boxes ``(x, y, w, h)`` of width ``x2 - x1 + extent``, by time."""
    corners = np.array(video.corners, dtype=np.float64).reshape(-1, 4)
    sizes = corners[:, 2:] - corners[:, :2] + extent
    return BoxTable(
        videos=np.zeros(len(corners), dtype=np.int64),
        times=np.array(video.times, dtype=np.int64),
        tracks=video.tracks(),
        categories=np.array(video.classes, dtype=np.int64),
        bboxes=np.hstack([corners[:, :2], sizes]),
        scores=np.ones(len(corners)),
    ).sorted()


def without_ignored(gt: BoxTable, dt: BoxTable) -> BoxTable:
    """Drop predictions that match nothing and lie in an ignore region by more than half.

    Args:
        gt: Ground truth and ignore regions (category ``IGNORE``) of one video, sorted by time.
        dt: Predictions, sorted by time.
    """
    dt = dt.select(dt.categories != IGNORE)
    ignored = _inside(dt, gt.select(gt.categories == IGNORE))
    times = np.unique(dt.times[ignored])
    kept = gt.select((gt.categories != IGNORE) & np.isin(gt.times, times))
    asked = np.flatnonzero(np.isin(dt.times, times))
    start = 0
    for frame in split_frames(kept, dt.select(asked)).frames:
        close = np.where(frame.iou >= OVERLAP, frame.iou, 0)
        rows, columns = linear_sum_assignment(-close)
        ignored[asked[start + columns[close[rows, columns] > EPS]]] = False
        start += frame.iou.shape[1]
    return dt.select(~ignored)


def _inside(dt: BoxTable, regions: BoxTable) -> np.ndarray:
    """Boxes of which a region of their frame covers more than half: (N,) bool."""
    pairs = pair_up(dt, regions)
    covered = _covered(dt.bboxes[pairs.pair_gt], regions.bboxes[pairs.pair_dt]) > OVERLAP
    inside = np.zeros(len(dt), dtype=bool)
    inside[pairs.pair_gt[covered]] = True
    return inside


def _covered(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Intersection of each box with its region by the area of the box: (N,)."""
    low = np.maximum(boxes[..., :2], regions[..., :2])
    high = np.minimum(boxes[..., :2] + boxes[..., 2:], regions[..., :2] + regions[..., 2:])
    inter = np.maximum(high - low, 0).prod(axis=-1)
    return inter / np.maximum(boxes[..., 2:].prod(axis=-1), EPS)


def _by_class(
    gt: BoxTable,
    dt: BoxTable,
    num_frames: int,
    count: Callable[[BoxTable, BoxTable, int], dict[str, Any]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One row per class."""
    regions = gt.categories == IGNORE
    rows = []
    for number in range(len(CLASSES)):
        own = gt.select((gt.categories == number) | regions)
        found = without_ignored(own, dt.select(dt.categories == number))
        rows.append(count(own.select(own.categories == number), found, num_frames))
    columns = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    return np.arange(len(CLASSES)), columns


def _count_mot(gt: BoxTable, dt: BoxTable, num_frames: int) -> dict[str, Any]:
    video = split_frames(gt, dt)
    return count_clear(video, num_frames) | count_identity(video)


def _count_hota(gt: BoxTable, dt: BoxTable, num_frames: int) -> dict[str, Any]:
    return count_hota(split_frames(gt, dt))


def _drop_frames(video: BddVideo, frames: set[int]) -> None:
    kept = [k for k, time in enumerate(video.times) if time not in frames]
    for name in ("times", "ids", "classes", "corners"):
        column = getattr(video, name)
        column[:] = [column[k] for k in kept]
    video.frames -= frames
