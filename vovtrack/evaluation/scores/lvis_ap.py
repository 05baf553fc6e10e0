"""Average precision of detections on LVIS, computed by ``hotcoco``.

Gupta, Dollar, Girshick: "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019:
COCO's average precision over IoU 0.50 to 0.95, with at most 300 detections per image and federated
annotation. The library matches and accumulates; here its tables are averaged by class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import hotcoco
import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.scores.detection_ap import grouped_scores, known_mean, library_rows
from vovtrack.evaluation.scores.statistics import Scores
from vovtrack.formats.tao.results import TaoResults

METRICS = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300", "ARs@300",
    "ARm@300", "ARl@300",
)  # fmt: skip
MAX_DETECTIONS = 300
_AREAS = ("", "s", "m", "l")
_FREQUENCIES = ("r", "c", "f")


def lvis_scores(
    content: Mapping[str, Any], detections: TaoResults | Sequence[dict[str, Any]]
) -> Scores:
    """Average precision of all classes, of base and novel ones, and of each.

    Args:
        content: LVIS annotations; novel are classes of ``frequency`` "r", where it is given.
        detections: Boxes in columns; or masks as dicts of ``image_id``, ``category_id``,
            ``score`` and ``segmentation``.

    Raises:
        InputError: The library cannot read a mask.
    """
    precision, recall, ids = _tables(content, detections)
    frequency = {c["id"]: c.get("frequency") for c in content["categories"]}
    frequencies = np.array([frequency[i] or "" for i in ids])
    told_apart = set(frequencies) & set(_FREQUENCIES)
    return grouped_scores(
        content,
        ids,
        np.any(precision > -1, axis=(0, 1, 3)),
        frequencies == "r" if told_apart else None,
        lambda chosen: _averages(precision, recall, chosen, frequencies),
    )


def _tables(
    content: Mapping[str, Any], detections: TaoResults | Sequence[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Precision (T, R, K, A), recall (T, K, A), and K category ids."""
    kind, found = library_rows(detections)
    try:
        truth = hotcoco.LVIS(dict(content))
        kept = hotcoco.LVISResults(truth, found, MAX_DETECTIONS)
        evaluation = hotcoco.LVISEval(truth, kept, kind)
        evaluation.evaluate()
        evaluation.accumulate()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"The detections cannot be evaluated: {error}.") from None
    tables = evaluation.eval
    assert tables is not None, "accumulate() fills it"
    return tables["precision"][..., 0], tables["recall"][..., 0], list(evaluation.params.cat_ids)


def _averages(
    precision: np.ndarray, recall: np.ndarray, chosen: np.ndarray, frequencies: np.ndarray
) -> dict[str, float]:
    """Means over thresholds and the chosen classes, in points; NaN where there is nothing."""
    found = {
        "AP": known_mean(precision[:, :, chosen, 0]),
        "AP50": known_mean(precision[0][:, chosen, 0]),
        "AP75": known_mean(precision[5][:, chosen, 0]),
    }
    for area, word in enumerate(_AREAS):
        if word:
            found[f"AP{word}"] = known_mean(precision[:, :, chosen, area])
        found[f"AR{word}@300"] = known_mean(recall[:, chosen, area])
    for word in _FREQUENCIES:
        found[f"AP{word}"] = known_mean(precision[:, :, chosen & (frequencies == word), 0])
    return {metric: found[metric] for metric in METRICS}
