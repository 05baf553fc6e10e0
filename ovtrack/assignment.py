"""Assignment of detections to tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Scores = NDArray[np.floating[Any]]


def greedy_assignment(
    scores: Scores,
    threshold: float,
    takers: NDArray[np.bool_] | None = None,
    num_targets: int | None = None,
) -> NDArray[np.int64]:
    """Let each row in turn take its best column that no earlier row has taken.

    Rows are served in order (detections sorted by score). A taken column counts as score 0 for
    later rows, which then fall back to their next best; ties go to the first column.

    Args:
        scores: (N, M) match scores.
        threshold: A match must score strictly more than this.
        takers: (N,) bool, rows that take their column; the others leave it to later rows. All by
            default.
        num_targets: Columns from this one on only distract: rows that like one of them best get
            none, and it is not taken. By default there are none.

    Returns:
        (N,) int64 column of each row, -1 where it has none.
    """
    num_rows, num_columns = scores.shape
    assigned = np.full(num_rows, -1, dtype=np.int64)
    if num_columns == 0 or num_rows == 0:
        return assigned
    targets = num_columns if num_targets is None else num_targets
    takes = np.ones(num_rows, dtype=bool) if takers is None else takers
    taken = np.zeros(num_columns, dtype=bool)
    columns = scores.argmax(axis=1)
    best = scores[np.arange(num_rows), columns]
    columns = columns.tolist()
    for row in np.flatnonzero(best > threshold).tolist():
        column = columns[row]
        if taken[column]:
            remaining = np.where(taken, 0.0, scores[row])
            column = remaining.argmax()
            if remaining[column] <= threshold:
                continue
        if column < targets:
            assigned[row] = column
            taken[column] = takes[row]
    return assigned


def optimal_assignment(
    scores: Scores,
    threshold: float,
    takers: NDArray[np.bool_] | None = None,
    num_targets: int | None = None,
) -> NDArray[np.int64]:
    """Give columns to rows so that the sum of scores is largest (Hungarian method).

    Rows that are not ``takers`` get their best column of those that are left. Arguments and result
    as of :func:`greedy_assignment`.
    """
    num_rows, num_columns = scores.shape
    targets = num_columns if num_targets is None else num_targets
    takes = np.ones(num_rows, dtype=bool) if takers is None else takers
    assigned = np.full(num_rows, -1, dtype=np.int64)
    if num_columns == 0:
        return assigned
    owners, columns = linear_sum_assignment(scores[takes], maximize=True)
    owners = np.flatnonzero(takes)[owners]
    linked = (scores[owners, columns] > threshold) & (columns < targets)
    assigned[owners[linked]] = columns[linked]
    others = np.flatnonzero(~takes)
    left = scores[others]
    left[:, columns[linked]] = 0
    best = left.argmax(axis=1)
    linked = (left[np.arange(len(others)), best] > threshold) & (best < targets)
    assigned[others[linked]] = best[linked]
    return assigned
