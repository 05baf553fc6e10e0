"""Single-object tracking: one-pass evaluation (OPE) and the scores of GOT-10k.

Wu, Lim, Yang: "Online Object Tracking: A Benchmark", CVPR 2013; Fan et al., "LaSOT", CVPR 2019;
Huang et al., "GOT-10k", TPAMI 2019. Boxes are ``(x, y, w, h)`` in pixels. The first prediction is
the given box. Per frame, with centres at ``x + (w - 1) / 2``:

* overlap o: IoU of prediction and ground truth; success at threshold u is o > u, for 21
  thresholds 0, 0.05, ..., 1; ``AUC`` is the mean of that curve, ``OP50`` and ``OP75`` two of it;
* centre error e in pixels; precision at threshold v is e <= v, for 0 to 50; ``Precision`` is at 20;
* normalised error: e with each direction divided by the size of the ground truth, for 0 to 0.5
  in steps of 0.01; ``NormPrecision`` is its value at 0.2, ``NormPrecisionAUC`` the mean of the
  curve (what LaSOT's own toolkit prints as normalised precision).

A frame without a valid box has overlap -1, which is never a success, but in most toolkits an error
of -1, which is always precise: the presets say which.

Columns of a sequence (R rows): ``success`` (R, n, 21), ``precision`` (R, n, 51), ``norm_precision``
(R, n, 51): curves of the n runs of a tracker, whose mean is scored; ``sequences``: 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.scores.statistics import Curve, MetricFamily, Statistics

OVERLAPS = np.arange(21) * 0.05
PIXELS = np.arange(51)
NORMALISED = np.arange(51) * 0.01
CURVES = ("success", "precision", "norm_precision")
METRICS = ("AUC", "Precision", "NormPrecision", "OP50", "OP75", "NormPrecisionAUC")
GOT10K_METRICS = ("AO", "SR50", "SR75")


@dataclass(frozen=True)
class Preset:
    """The conventions of one toolkit for frames without a target.

    A frame is valid if all four numbers of its box are above 0.

    Attributes:
        uses_visibility: Frames where the target is marked invisible are invalid.
        invalid_error: Centre error of invalid frames: infinite is never precise, -1 always.
        invalid_norm_error: Normalised error of invalid frames.
        invisible_error: Both errors of frames marked invisible; None: as of invalid ones.
        first_is_given: The first prediction is replaced by the ground truth.
        exclude_invalid: Divide by the number of valid frames instead of all.
        nan_is_absent: NaN is a way to write that there is no target; else it is refused.
        needs_all_rows: Fewer predictions than frames are refused; else they miss.
    """

    uses_visibility: bool = False
    invalid_error: float = np.inf
    invalid_norm_error: float = -1.0
    invisible_error: float | None = None
    first_is_given: bool = True
    exclude_invalid: bool = False
    nan_is_absent: bool = False
    needs_all_rows: bool = False

    @property
    def absent_frames(self) -> str:
        """What happens in frames without a target, in words for a report."""
        marked = " or is marked invisible" if self.uses_visibility else ""
        nan = "is absent" if self.nan_is_absent else "is refused"
        absent = f"absent where a number of the box is not above 0{marked}; NaN {nan}"
        if self.exclude_invalid:
            return f"{absent}; absent frames are left out"
        error, norm = map(_hits, (self.invalid_error, self.invalid_norm_error))
        text = (
            f"{absent}; such a frame is never a success, {error} precise, {norm} precise by the "
            "normalised error"
        )
        if self.invisible_error is None:
            return text
        return f"{text}, and never where marked invisible"


PRESETS = {
    "otb": Preset(),
    "nfs": Preset(),
    "uav": Preset(invalid_error=-1.0, nan_is_absent=True),
    "trackingnet": Preset(uses_visibility=True),
    "lasot": Preset(uses_visibility=True, invisible_error=np.inf, needs_all_rows=True),
    "lasot_ext": Preset(
        uses_visibility=True, invisible_error=np.inf, exclude_invalid=True, needs_all_rows=True
    ),
    "mmtracking": Preset(
        uses_visibility=True, invalid_error=-1.0, first_is_given=False, nan_is_absent=True
    ),
    "strict": Preset(
        uses_visibility=True,
        invalid_norm_error=np.inf,
        exclude_invalid=True,
        nan_is_absent=True,
        needs_all_rows=True,
    ),
}
"""``strict`` is nobody's toolkit: frames without a target do not count at all."""


class FrameErrors(NamedTuple):
    """How far the prediction is off in each frame, (T,) each.

    Attributes:
        overlap: IoU; -1 in invalid frames.
        centre: Distance of the centres in pixels.
        norm_centre: The same, with each direction divided by the size of the ground truth.
        valid: bool, whether there is a target.
    """

    overlap: np.ndarray
    centre: np.ndarray
    norm_centre: np.ndarray
    valid: np.ndarray


def overlap(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """IoU of boxes row by row: (T, 4), (T, 4) to (T,); 0 where both are empty."""
    low = np.maximum(pred[:, :2], gt[:, :2])
    high = np.minimum(pred[:, :2] + pred[:, 2:], gt[:, :2] + gt[:, 2:])
    inter = np.maximum(high - low, 0).prod(axis=1)
    union = pred[:, 2:].prod(axis=1) + gt[:, 2:].prod(axis=1) - inter
    return np.divide(inter, union, out=np.zeros(len(pred)), where=union > 0)


def prepare(pred: np.ndarray, gt: np.ndarray, first_is_given: bool = True) -> np.ndarray:
    """The predictions that are judged, one for each frame.

    The first is given, an empty one repeats the last, surplus rows are cut, and rows that are
    missing, at the end or as NaN, are boxes of no size.
    """
    fitted = np.full(gt.shape, np.nan)
    fitted[: len(pred)] = pred[: len(gt)]
    if first_is_given:
        fitted[0] = gt[0]
    for t in np.flatnonzero((fitted[:, 2:] == 0).any(axis=1) & ~np.isnan(gt).any(axis=1)):
        fitted[t] = fitted[t - 1] if t else fitted[t]
    return np.nan_to_num(fitted)


def frame_errors(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, preset: Preset
) -> FrameErrors:
    """Judge the frames of one sequence.

    Args:
        pred: (P, 4) predictions ``(x, y, w, h)``; NaN where one is missing.
        gt: (T, 4) ground truth, possibly empty or NaN where there is no target.
        visible: (T,) bool, all True where the dataset does not say.
        preset: Conventions.

    Raises:
        InputError: A predicted size is negative, or what the preset does not allow: NaN in the
            ground truth, or fewer predictions than frames.
    """
    _check_rows(pred, gt, preset)
    pred = prepare(pred, gt, preset.first_is_given)
    with np.errstate(invalid="ignore"):
        boxed: np.ndarray = np.all(gt > 0, axis=1)
    valid = boxed & visible if preset.uses_visibility else boxed
    offset = _centres(pred) - _centres(gt)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.linalg.norm(offset, axis=1)
        norm_errors = np.linalg.norm(offset / gt[:, 2:], axis=1)
    overlaps = np.where(valid, overlap(pred, np.nan_to_num(gt)), -1)
    errors = np.where(valid, errors, preset.invalid_error)
    norm_errors = np.where(valid, norm_errors, preset.invalid_norm_error)
    if preset.uses_visibility and preset.invisible_error is not None:
        errors = np.where(visible, errors, preset.invisible_error)
        norm_errors = np.where(visible, norm_errors, preset.invisible_error)
    return FrameErrors(overlaps, errors, norm_errors, valid)


def count_sequence(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, preset: Preset
) -> dict[str, np.ndarray]:
    """Curves of one sequence: one row of the columns of this module; see :func:`frame_errors`."""
    found = frame_errors(pred, gt, visible, preset)
    kept = found.valid if preset.exclude_invalid else np.ones(len(gt), dtype=bool)
    curves = {
        "success": found.overlap[kept, None] > OVERLAPS,
        "precision": found.centre[kept, None] <= PIXELS,
        "norm_precision": found.norm_centre[kept, None] <= NORMALISED,
    }
    shares = {name: hits.sum(axis=0) / max(1, len(hits)) for name, hits in curves.items()}
    row = {name: share[None, None] for name, share in shares.items()}
    return row | {"sequences": np.ones(1, dtype=np.int64)}


def empty_columns(runs: int = 1) -> dict[str, np.ndarray]:
    """The columns of OPE without rows."""
    widths = (("success", OVERLAPS), ("precision", PIXELS), ("norm_precision", NORMALISED))
    columns = {name: np.zeros((0, runs, len(thresholds))) for name, thresholds in widths}
    return columns | {"sequences": np.zeros(0, dtype=np.int64)}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means of the curves over sequences, in points."""
    sequences = statistics.sums("sequences", group, count, weights)
    success, precision, norm = _mean_curves(statistics, group, count, weights)
    values = {
        "AUC": success.mean(axis=1),
        "Precision": precision[:, 20],
        "NormPrecision": norm[:, 20],
        "OP50": success[:, 10],
        "OP75": success[:, 15],
        "NormPrecisionAUC": norm.mean(axis=1),
    }
    return {metric: np.where(sequences > 0, values[metric], np.nan) for metric in METRICS}


def curves(statistics: Statistics) -> list[Curve]:
    """Success and precision over their thresholds."""
    rows = len(statistics)
    found = _mean_curves(statistics, np.zeros(rows, dtype=np.int64), 1, np.ones(rows))
    axes = (
        ("AUC", "overlap", OVERLAPS),
        ("Precision", "centre error in pixels", PIXELS),
        ("NormPrecision", "centre error by the size of the target", NORMALISED),
    )
    return [Curve(*axis, values[0]) for axis, values in zip(axes, found, strict=True)]


def runs(statistics: Statistics) -> list[Statistics]:
    """The rows of each run."""
    if statistics.columns["success"].ndim == 2:
        return [statistics]
    return [
        replace(
            statistics,
            columns={
                name: column if name == "sequences" else column[:, run]
                for name, column in statistics.columns.items()
            },
        )
        for run in range(statistics.columns["success"].shape[1])
    ]


SOT = MetricFamily("sot", METRICS, rates, curves=curves, runs=runs)


def count_got10k(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, size: tuple[int, int] | None
) -> dict[str, np.ndarray]:
    """GOT-10k: frame 0 and invisible frames are left out, boxes are cut at the image.

    Args:
        pred: (T, 4) predictions; NaN where one is missing.
        gt: (T, 4) ground truth.
        visible: (T,) bool, cover above 0.
        size: (width, height) of the images in pixels, or None: boxes stay as they are.

    Returns:
        One row of ``overlap`` (sum of IoU), ``over`` (1, 2) frames with IoU above 0.5 and 0.75, and
        ``frames``.
    """
    pred = np.nan_to_num(pred)
    if size is not None:
        pred, gt = _clipped(pred, size), _clipped(gt, size)
    kept = visible.copy()
    kept[0] = False
    found = overlap(pred[kept], gt[kept])
    over = (found[:, None] > np.array([0.5, 0.75])).sum(axis=0)
    return {
        "overlap": np.array([found.sum()]),
        "over": over[None],
        "frames": np.array([int(kept.sum())]),
    }


def got10k_rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means over all frames of all sequences, in points."""
    frames = statistics.sums("frames", group, count, weights)
    over = statistics.sums("over", group, count, weights)
    total = (statistics.sums("overlap", group, count, weights), over[:, 0], over[:, 1])
    return {
        metric: np.divide(100 * value, frames, out=np.full(count, np.nan), where=frames > 0)
        for metric, value in zip(GOT10K_METRICS, total, strict=True)
    }


GOT10K = MetricFamily("got10k", GOT10K_METRICS, got10k_rates)


def _mean_curves(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> list[np.ndarray]:
    """The three curves in points, (count, K) each: the mean over sequences and runs."""
    sequences = statistics.sums("sequences", group, count, weights)
    present = np.maximum(sequences, 1e-300)[:, None]
    sums = (statistics.sums(name, group, count, weights) for name in CURVES)
    # Rows of one run may lack the axis of runs.
    return [100 * (s if s.ndim == 2 else s.mean(axis=1)) / present for s in sums]


def _check_rows(pred: np.ndarray, gt: np.ndarray, preset: Preset) -> None:
    if len(broken := np.flatnonzero((pred[:, 2:] < 0).any(axis=1))):
        raise InputError(f"prediction {broken[0] + 1} has a negative size.")
    if len(broken := np.flatnonzero(np.isnan(gt).any(axis=1))) and not preset.nan_is_absent:
        raise InputError(
            f"box {broken[0] + 1} of the ground truth is NaN, which this benchmark does not "
            "write: choose a preset that takes NaN as absent (uav, strict)."
        )
    if len(pred) < len(gt) and preset.needs_all_rows:
        raise InputError(f"{len(pred)} predictions for {len(gt)} frames; expected one per frame.")


def _hits(error: float) -> str:
    """How often an error is below every threshold."""
    return "never" if error > 0 else "always"


def _centres(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def _clipped(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)
    return np.hstack([low, high - low])
