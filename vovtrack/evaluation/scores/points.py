"""Point tracking: the TAP-Vid scores.

Doersch et al., "TAP-Vid: A Benchmark for Tracking Any Point in a Video", NeurIPS 2022. Points are
``(x, y)`` on a raster of 256 x 256 pixels, whatever the size of the video; a query is
``(t, y, x)``. With d the distance of a prediction, r one of 1, 2, 4, 8, 16 pixels, over all
points and evaluated frames of a video:

* ``pts_within_r``: d < r among visible points, whatever the predicted visibility;
* ``jaccard_r``: visible points predicted visible with d < r, by those plus missed visible points
  plus points predicted visible that are not, or are too far;
* ``OA``: how often the predicted visibility is right.

``delta_avg`` and ``AJ`` are the means over r. Frames are evaluated after the query (mode
``first``) or everywhere but at the query (mode ``strided``). A benchmark is the mean over videos.

Columns: ``score`` (R, 13), one row per video, in the order of ``METRICS``; ``valid`` (R, 13),
1 where the score exists, else 0 (and the score is 0).
"""

from __future__ import annotations

import numpy as np

from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics
from vovtrack.structures.points import PointTracks, PointTruth, sample_queries

RASTER = 256
RADII = (1, 2, 4, 8, 16)
METRICS = (
    "AJ",
    "delta_avg",
    "OA",
    *(f"jaccard_{r}" for r in RADII),
    *(f"pts_within_{r}" for r in RADII),
)


def count_points(
    query_points: np.ndarray,
    gt_occluded: np.ndarray,
    gt_tracks: np.ndarray,
    pred_occluded: np.ndarray,
    pred_tracks: np.ndarray,
    *,
    mode: str,
) -> dict[str, np.ndarray]:
    """Count what the scores are ratios of, for every point of one video.

    Args:
        query_points: (n, 3) ``(t, y, x)``.
        gt_occluded: (n, T) bool.
        gt_tracks: (n, T, 2) ``(x, y)``.
        pred_occluded: (n, T) bool.
        pred_tracks: (n, T, 2) ``(x, y)``.
        mode: ``first`` or ``strided``.

    Returns:
        ``within``, ``jaccard_hits``, ``jaccard_all`` (n, 5) by radius; ``visible``, ``agreed``,
        ``evaluated`` (n,).
    """
    frames, start = np.arange(gt_occluded.shape[1]), np.round(query_points[:, :1])
    evaluated = frames > start if mode == "first" else frames != start
    visible, claimed = ~gt_occluded & evaluated, ~pred_occluded & evaluated
    distance = ((pred_tracks - gt_tracks) ** 2).sum(axis=-1)
    near = distance[..., None] < np.square(RADII)
    hits = near & (visible & claimed)[..., None]
    false_claims = (claimed[..., None] & ~(near & visible[..., None])).sum(axis=1)
    return {
        "within": (near & visible[..., None]).sum(axis=1),
        "jaccard_hits": hits.sum(axis=1),
        "jaccard_all": visible.sum(axis=1)[:, None] + false_claims,
        "visible": visible.sum(axis=1),
        "agreed": ((pred_occluded == gt_occluded) & evaluated).sum(axis=1),
        "evaluated": evaluated.sum(axis=1),
    }


def scores(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores in [0, 1] from counts, NaN where nothing was to be found.

    Args:
        counts: What :func:`count_points` returned, per point; or summed over points.

    Returns:
        {metric of ``METRICS``: one value per point, or one value}.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        jaccard = counts["jaccard_hits"] / counts["jaccard_all"]
        within = counts["within"] / counts["visible"][..., None]
        accuracy = counts["agreed"] / counts["evaluated"]
    values = [jaccard.mean(axis=-1), within.mean(axis=-1), accuracy]
    values += [*np.moveaxis(jaccard, -1, 0), *np.moveaxis(within, -1, 0)]
    return dict(zip(METRICS, values, strict=True))


def count_tracks(gt: PointTruth, dt: PointTracks, mode: str) -> dict[str, np.ndarray]:
    """Count every point of one video, see :func:`count_points`.

    Args:
        gt: Ground truth.
        dt: Predictions for the queries of ``mode``, in their order.
        mode: ``first`` or ``strided``.
    """
    truth = gt.points * RASTER
    queries, points = sample_queries(truth, gt.occluded, mode)
    tracks = dt.tracks * (RASTER / np.array(dt.size or (RASTER, RASTER)))
    return count_points(queries, gt.occluded[points], truth[points], dt.occluded, tracks, mode=mode)


def columns_of(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One row of the columns of this module, from the counts of the points of a video."""
    values = np.array(list(scores({k: v.sum(axis=0) for k, v in counts.items()}).values()))
    valid = ~np.isnan(values)
    return {"score": np.where(valid, values, 0)[None], "valid": valid[None].astype(np.int64)}


def empty_columns() -> dict[str, np.ndarray]:
    """The columns without rows."""
    return {
        "score": np.zeros((0, len(METRICS))),
        "valid": np.zeros((0, len(METRICS)), dtype=np.int64),
    }


def rates(
    statistics: Statistics, group: np.ndarray, count: int, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means over videos in points, NaN where no video has the score."""
    total = statistics.sums("score", group, count, weights)
    valid = statistics.sums("valid", group, count, weights)
    means = np.divide(100 * total, valid, out=np.full_like(total, np.nan), where=valid > 0)
    return dict(zip(METRICS, means.T, strict=True))


TAPVID = MetricFamily("tapvid", METRICS, rates)
