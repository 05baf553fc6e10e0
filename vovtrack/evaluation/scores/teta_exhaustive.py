"""TETA where everything is annotated (BDD100K, COCO-style video).

There a predicted box that lies in no cluster is a mistake: it counts as a false positive of the
classification of its class. The rest is :mod:`vovtrack.evaluation.scores.teta`.
"""

from __future__ import annotations

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.teta import (
    Cells,
    VideoPairs,
    add_cluster,
    cluster_boxes,
    owned_class,
    pair_up,
)


def count_video_exhaustive(
    gt: BoxTable, dt: BoxTable, category_ids: np.ndarray, published: bool = True
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Count one video; see :func:`vovtrack.evaluation.scores.teta.count_video`.

    Args:
        gt: Ground truth of the video, sorted by time.
        dt: Predictions of the video, sorted by time, also in frames without ground truth.
        category_ids: (C,) ids of the evaluated classes, in the order of the dataset.
        published: As the published program does, where no prediction belongs to the cluster of a
            class, its stray boxes *replace* the false positives that classes before it in order
            have given it in this video, instead of adding to them.

    Returns:
        (R,) position of each row's class in ``category_ids``, and the columns.
    """
    cells = Cells.of(category_ids, gt, dt)
    video = pair_up(gt, dt.select(np.isin(dt.times, gt.times)))
    elsewhere = dt.select(~np.isin(dt.times, gt.times))
    owned = owned_class(video)
    for category in category_ids:
        if category in cells.position:
            _add_class(cells, video, elsewhere, owned, int(category), published)
    return cells.rows()


def _add_class(
    cells: Cells,
    video: VideoPairs,
    elsewhere: BoxTable,
    owned: np.ndarray,
    category: int,
    published: bool,
) -> None:
    cluster = cluster_boxes(video, owned, category)
    stray = (video.dt.categories == category) & ~cluster
    count = int(stray.sum() + (elsewhere.categories == category).sum())
    false_positives = cells.columns["cls_fp"][cells.position[category]]
    if published and not cluster.any():
        false_positives[:] = count
    else:
        false_positives += count
    if (video.gt.categories == category).any():
        add_cluster(cells, video, owned, category)
