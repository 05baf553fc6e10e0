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

Columns of a sequence (R rows): ``success`` (R, 21), ``precision`` (R, 51), ``norm_precision``
(R, 51): curves; ``sequences``: 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

OVERLAPS = np.arange(21) * 0.05
PIXELS = np.arange(51)
NORMALISED = np.arange(51) * 0.01
METRICS = ("AUC", "Precision", "NormPrecision", "OP50", "OP75", "NormPrecisionAUC")
GOT10K_METRICS = ("AO", "SR50", "SR75")


@dataclass(frozen=True)
class Preset:
    """The conventions of one toolkit.

    Attributes:
        uses_visibility: Frames where the target is marked invisible are invalid.
        invalid_error: Centre error of invalid frames: infinite is never precise, -1 always.
        invalid_norm_error: Normalised error of invalid frames.
        invisible_error: Both errors of frames marked invisible; None: as of invalid ones.
        first_is_given: The first prediction is replaced by the ground truth.
        exclude_invalid: Divide by the number of valid frames instead of all.
    """

    uses_visibility: bool = False
    invalid_error: float = np.inf
    invalid_norm_error: float = -1.0
    invisible_error: float | None = None
    first_is_given: bool = True
    exclude_invalid: bool = False


PRESETS = {
    "otb": Preset(),
    "uav": Preset(invalid_error=-1.0),
    "lasot": Preset(uses_visibility=True, invisible_error=np.inf),
    "mmtracking": Preset(uses_visibility=True, invalid_error=-1.0, first_is_given=False),
    "lasot_ext": Preset(uses_visibility=True, invisible_error=np.inf, exclude_invalid=True),
}


def overlap(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """IoU of boxes row by row: (T, 4), (T, 4) to (T,); 0 where both are empty."""
    low = np.maximum(pred[:, :2], gt[:, :2])
    high = np.minimum(pred[:, :2] + pred[:, 2:], gt[:, :2] + gt[:, 2:])
    inter = np.maximum(high - low, 0).prod(axis=1)
    union = pred[:, 2:].prod(axis=1) + gt[:, 2:].prod(axis=1) - inter
    return np.divide(inter, union, out=np.zeros(len(pred)), where=union > 0)


def prepare(pred: np.ndarray, gt: np.ndarray, first_is_given: bool = True) -> np.ndarray:
    """The predictions that are judged: the first is given, and an empty one repeats the last."""
    pred = pred.copy()
    if first_is_given:
        pred[0] = gt[0]
    for t in np.flatnonzero((pred[:, 2:] == 0).any(axis=1) & ~np.isnan(gt).any(axis=1)):
        pred[t] = pred[t - 1] if t else pred[t]
    return pred


def count_sequence(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, preset: Preset
) -> dict[str, np.ndarray]:
    """Curves of one sequence: one row of the columns of this module.

    Args:
        pred: (T, 4) predictions ``(x, y, w, h)``.
        gt: (T, 4) ground truth, possibly empty or NaN where there is no target.
        visible: (T,) bool, all True where the dataset does not say.
        preset: Conventions.
    """
    pred = prepare(pred, gt, preset.first_is_given)
    with np.errstate(invalid="ignore"):
        boxed = (gt > 0).all(axis=1)
    valid = boxed & visible if preset.uses_visibility else boxed
    centre = _centres(pred) - _centres(gt)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.linalg.norm(centre, axis=1)
        norm_errors = np.linalg.norm(centre / gt[:, 2:], axis=1)
    overlaps = np.where(valid, overlap(pred, np.nan_to_num(gt)), -1)
    errors = np.where(valid, errors, preset.invalid_error)
    norm_errors = np.where(valid, norm_errors, preset.invalid_norm_error)
    if preset.uses_visibility and preset.invisible_error is not None:
        errors = np.where(visible, errors, preset.invisible_error)
        norm_errors = np.where(visible, norm_errors, preset.invisible_error)
    frames = valid.sum() if preset.exclude_invalid else len(gt)
    kept = valid if preset.exclude_invalid else np.ones(len(gt), dtype=bool)
    curves = {
        "success": overlaps[kept, None] > OVERLAPS,
        "precision": errors[kept, None] <= PIXELS,
        "norm_precision": norm_errors[kept, None] <= NORMALISED,
    }
    row = {name: (hits.sum(axis=0) / max(1, frames))[None] for name, hits in curves.items()}
    return row | {"sequences": np.ones(1, dtype=np.int64)}


def empty_columns() -> dict[str, np.ndarray]:
    """The columns of OPE without rows."""
    widths = (("success", OVERLAPS), ("precision", PIXELS), ("norm_precision", NORMALISED))
    columns = {name: np.zeros((0, len(thresholds))) for name, thresholds in widths}
    return columns | {"sequences": np.zeros(0, dtype=np.int64)}


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means of the curves over sequences, in points."""
    sequences = statistics.sums("sequences", group, count, weights)
    present = np.maximum(sequences, 1e-300)[:, None]
    success, precision, norm = (
        100 * statistics.sums(name, group, count, weights) / present
        for name in ("success", "precision", "norm_precision")
    )
    values = {
        "AUC": success.mean(axis=1),
        "Precision": precision[:, 20],
        "NormPrecision": norm[:, 20],
        "OP50": success[:, 10],
        "OP75": success[:, 15],
        "NormPrecisionAUC": norm.mean(axis=1),
    }
    return {metric: np.where(sequences > 0, values[metric], np.nan) for metric in METRICS}


SOT = MetricFamily("sot", METRICS, rates)


def count_got10k(
    pred: np.ndarray, gt: np.ndarray, visible: np.ndarray, size: tuple[int, int] | None
) -> dict[str, np.ndarray]:
    """GOT-10k: frame 0 and invisible frames are left out, boxes are cut at the image.

    Args:
        pred: (T, 4) predictions.
        gt: (T, 4) ground truth.
        visible: (T,) bool, cover above 0.
        size: (width, height) of the images in pixels, or None: boxes stay as they are.

    Returns:
        One row of ``overlap`` (sum of IoU), ``over`` (1, 2) frames with IoU above 0.5 and 0.75, and
        ``frames``.
    """
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


def _centres(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def _clipped(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)
    return np.hstack([low, high - low])
