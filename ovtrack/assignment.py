"""Assignment of detections to tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def greedy_assignment(
    scores: NDArray[np.floating[Any]],
    threshold: float,
    eligible: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Let each row in turn take its best column that no earlier row has taken.

    Rows are served in order (detections sorted by score). A taken column counts as score 0 for
    later rows, which then fall back to their next best; ties go to the first column.

    Args:
        scores: (N, M) match scores.
        threshold: A match must score strictly more than this.
        eligible: (N,) bool, rows that may match; all by default.

    Returns:
        (N,) int64 column of each row, -1 where it has none.
    """
    num_rows, num_cols = scores.shape
    assigned = np.full(num_rows, -1, dtype=np.int64)
    if num_cols == 0 or num_rows == 0:
        return assigned
    taken = np.zeros(num_cols, dtype=bool)
    columns = scores.argmax(axis=1)
    best = scores[np.arange(num_rows), columns]
    candidates = best > threshold if eligible is None else (best > threshold) & eligible
    columns = columns.tolist()
    for row in np.flatnonzero(candidates).tolist():
        column = columns[row]
        if taken[column]:
            remaining = np.where(taken, 0.0, scores[row])
            column = remaining.argmax()
            if remaining[column] <= threshold:
                continue
        assigned[row] = column
        taken[column] = True
    return assigned
