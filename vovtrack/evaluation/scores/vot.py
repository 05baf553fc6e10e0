"""The supervised form of VOT, 2015 to 2019: expected average overlap (EAO), accuracy, robustness.

Kristan et al., "The Visual Object Tracking VOT2015 challenge results", ICCV workshops 2015. The
tracker is restarted after it lost the target, and its result says where: a frame holds a region or
one of the codes below. A fragment is what lies between a start and the failure that ends it, or the
end of the sequence. Of a fragment, ``Phi(N)`` is the mean overlap of the N frames after its start:

* a fragment that failed counts at every N, with an overlap of 0 after the failure;
* one that did not counts up to its own length only, as nobody knows how it would have gone on;
* ``EAO`` is the mean over all fragments of ``Phi(N)``, and of that the mean over an interval of N
  around the usual length of a sequence; N beyond the longest fragment are left out;
* ``Accuracy`` is the mean overlap of a sequence without its first frames after each start (the
  burn-in), without failures and unknown frames, 0 where none is left; the mean over sequences is
  weighted by their lengths;
* ``Robustness`` is the number of failures per 100 frames: lower is better.

Columns of a sequence, summed over the runs of a tracker (R rows, K lengths N of the interval):
``phi`` (R, K) sums of Phi(N), ``counted`` (R, K) fragments in it, ``reached`` (R, K) fragments of
more than N frames, ``overlap`` (R,) accuracy times frames, ``failures`` (R,), ``frames`` (R,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics
from vovtrack.formats.vot import FAILURE, REGION, START

INTERVAL = (100, 356)
"""Lengths N of VOT 2017 and 2018, both included."""
BURN_IN = 10
"""Frames from each start on, it included, that accuracy leaves out."""
METRICS = ("Accuracy", "EAO", "Robustness")
"""Accuracy comes first, because every sequence has one: short ones have no EAO."""


class Fragments(NamedTuple):
    """The F stretches of a run between starts and failures.

    Attributes:
        start: (F,) frame in which the tracker was started.
        stop: (F,) frame of the failure, or the number of frames.
        failed: (F,) bool.
    """

    start: np.ndarray
    stop: np.ndarray
    failed: np.ndarray


def find_fragments(codes: np.ndarray) -> Fragments:
    """Cut a run at its starts and failures.

    Args:
        codes: (T,) what each frame holds: a region or a code of :mod:`vovtrack.formats.vot`.

    Raises:
        InputError: The first frame is not a start, a start does not follow a failure or the other
            way around, or there is a region between a failure and the next start.
    """
    events = np.flatnonzero((codes == START) | (codes == FAILURE))
    expected = np.where(np.arange(len(events)) % 2, FAILURE, START)
    if not len(codes) or codes[0] != START:
        raise InputError(f"row 1 is not a start ({START}).")
    if len(wrong := np.flatnonzero(codes[events] != expected)):
        row = events[wrong[0]] + 1
        raise InputError(
            f"row {row} is {codes[row - 1]}; starts ({START}) and failures ({FAILURE}) take turns."
        )
    running = np.cumsum(codes == START) > np.cumsum(codes == FAILURE)
    if len(stray := np.flatnonzero((codes == REGION) & ~running)):
        raise InputError(f"row {stray[0] + 1} is a region after a failure, before the next start.")
    start, failure = events[::2], events[1::2]
    stop = np.append(failure, len(codes))[: len(start)]
    return Fragments(start, stop, np.arange(len(start)) < len(failure))


def average_overlaps(
    overlaps: np.ndarray, fragments: Fragments, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Phi(N) of each fragment.

    Args:
        overlaps: (T,) IoU of a run; those of frames without a region are taken as 0.
        fragments: F of them.
        lengths: (K,) N, at least 1.

    Returns:
        (F, K) mean overlaps, and (F, K) bool, whether the fragment counts at this N.
    """
    start, stop, failed = (column[:, None] for column in fragments)
    total = np.cumsum(overlaps)
    phi = (total[np.minimum(start + lengths, stop - 1)] - total[start]) / lengths
    return phi, failed | (lengths < stop - start)


def expected_average_overlap(
    phi: np.ndarray, counted: np.ndarray, reached: np.ndarray
) -> np.ndarray:
    """EAO from sums over fragments.

    Args:
        phi: (..., K) sum of Phi(N) of the fragments that count.
        counted: (..., K) how many count.
        reached: (..., K) how many are longer than N.

    Returns:
        (...) in [0, 1]; NaN where no fragment is as long as the interval's first length.
    """
    curve = np.divide(phi, counted, out=np.zeros_like(phi, dtype=float), where=counted > 0)
    used = reached > 0
    number = used.sum(axis=-1)
    total = np.where(used, curve, 0).sum(axis=-1)
    return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)


def accuracy(codes: np.ndarray, overlaps: np.ndarray, burn_in: int = BURN_IN) -> float:
    """Mean overlap of the regions of a run, but those of the burn-in; 0 where none is left.

    Args:
        codes: (T,), see :func:`find_fragments`.
        overlaps: (T,) IoU.
        burn_in: Frames left out from each start on.
    """
    frames = np.arange(len(codes))
    last_start = np.maximum.accumulate(np.where(codes == START, frames, -burn_in))
    kept = (codes == REGION) & (frames - last_start >= burn_in)
    return float(overlaps[kept].mean()) if kept.any() else 0.0


def count_run(
    codes: np.ndarray,
    overlaps: np.ndarray,
    interval: tuple[int, int] = INTERVAL,
    burn_in: int = BURN_IN,
) -> dict[str, np.ndarray]:
    """One row of the columns of this module, of one run on one sequence.

    Args:
        codes: (T,), see :func:`find_fragments`.
        overlaps: (T,) IoU in [0, 1]; anything where there is no region.
        interval: First and last length N.
        burn_in: See :func:`accuracy`.

    Raises:
        InputError: See :func:`find_fragments`.
    """
    fragments = find_fragments(codes)
    lengths = np.arange(interval[0], interval[1] + 1)
    overlaps = np.where(codes == REGION, overlaps, 0.0)
    phi, counted = average_overlaps(overlaps, fragments, lengths)
    reached = lengths < (fragments.stop - fragments.start)[:, None]
    return {
        "phi": np.where(counted, phi, 0).sum(axis=0, keepdims=True),
        "counted": counted.sum(axis=0, keepdims=True),
        "reached": reached.sum(axis=0, keepdims=True),
        "overlap": np.array([accuracy(codes, overlaps, burn_in) * len(codes)]),
        "failures": fragments.failed.sum(keepdims=True),
        "frames": np.array([len(codes)]),
    }


def empty_columns(interval: tuple[int, int]) -> dict[str, np.ndarray]:
    """The columns of this module without rows."""
    curve = np.zeros((0, interval[1] - interval[0] + 1))
    one = np.zeros(0, dtype=np.int64)
    return {
        "phi": curve,
        "counted": curve.astype(np.int64),
        "reached": curve.astype(np.int64),
        "overlap": np.zeros(0),
        "failures": one,
        "frames": one,
    }


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """EAO and accuracy in points, robustness in failures per 100 frames."""
    sums = {name: statistics.sums(name, group, count, weights) for name in statistics.columns}
    frames = np.where(sums["frames"] > 0, sums["frames"], np.nan)
    return {
        "EAO": 100 * expected_average_overlap(sums["phi"], sums["counted"], sums["reached"]),
        "Accuracy": 100 * sums["overlap"] / frames,
        "Robustness": 100 * sums["failures"] / frames,
    }


VOT = MetricFamily("vot", METRICS, rates)
