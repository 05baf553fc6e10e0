"""What the average precisions of LVIS and COCO share: rows for the library, means, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from vovtrack.evaluation.scores.statistics import Scores
from vovtrack.formats.tao.results import TaoResults


def library_rows(
    detections: TaoResults | Sequence[dict[str, Any]],
) -> tuple[Literal["bbox", "segm"], np.ndarray | list[dict[str, Any]]]:
    """The kind of detections and, as the library takes it fastest, what they are.

    Boxes are (N, 7): image, x, y, w, h, score, category.
    """
    if not isinstance(detections, TaoResults):
        return "segm", list(detections)
    columns = (detections.image_ids, detections.bboxes, detections.scores, detections.category_ids)
    return "bbox", np.column_stack(columns)


def known_mean(values: np.ndarray) -> float:
    """Mean in points of the entries that exist (-1 marks the others); NaN without any."""
    known = values[values > -1]
    return 100 * float(known.mean()) if len(known) else float("nan")


def grouped_scores(
    content: Mapping[str, Any],
    ids: Sequence[int],
    present: np.ndarray,
    novel: np.ndarray | None,
    averages: Callable[[np.ndarray], dict[str, float]],
) -> Scores:
    """Scores of all classes, of base and novel ones, and of each.

    Args:
        content: Annotations with the ``categories``.
        ids: K category ids.
        present: (K,) whether a class has ground truth.
        novel: (K,) whether a class is novel; None if classes are not told apart.
        averages: From a choice of classes (K,) to their scores in points.
    """
    groups: dict[str, np.ndarray] = {"all": np.ones(len(ids), dtype=bool)}
    if novel is not None:
        groups |= {"base": ~novel, "novel": novel}
    summary = {
        name: averages(chosen) if (present & chosen).any() else None
        for name, chosen in groups.items()
    }
    names = {category["id"]: category["name"] for category in content["categories"]}
    per_class: dict[str, dict[str, Any]] = {}
    for k in np.flatnonzero(present):
        group = {} if novel is None else {"group": "novel" if novel[k] else "base"}
        per_class[names[ids[k]]] = averages(np.arange(len(ids)) == k) | group
    return Scores(summary, per_class, {})
