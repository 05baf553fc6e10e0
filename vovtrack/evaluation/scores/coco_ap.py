"""Average precision of detections on COCO, computed by ``hotcoco``.

Lin et al.: "Microsoft COCO: Common Objects in Context", ECCV 2014: average precision over IoU 0.50
to 0.95, with at most 100 detections per image. Annotation is exhaustive: unlike on LVIS, a
detection counts as wrong in every image without its class.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import hotcoco
import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.scores.detection_ap import grouped_scores, known_mean, library_rows
from vovtrack.evaluation.scores.statistics import Scores
from vovtrack.formats.tao.results import TaoResults

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR@100")
MAX_DETECTIONS = 100


def coco_scores(
    content: Mapping[str, Any],
    detections: TaoResults | Sequence[dict[str, Any]],
    novel: Collection[int] = (),
) -> Scores:
    """Average precision of all classes, of base and novel ones, and of each.

    Args:
        content: COCO annotations of the classes that are evaluated.
        detections: Boxes in columns; or masks as dicts of ``image_id``, ``category_id``,
            ``score`` and ``segmentation``.
        novel: Category ids of novel classes; without any there are no groups.

    Raises:
        InputError: The library cannot read a mask.
    """
    precision, recall, ids = _tables(content, detections)
    is_novel = np.isin(ids, list(novel))
    return grouped_scores(
        content,
        ids,
        np.any(precision > -1, axis=(0, 1, 3)),
        is_novel if is_novel.any() else None,
        lambda chosen: _averages(precision, recall, chosen),
    )


def _tables(
    content: Mapping[str, Any], detections: TaoResults | Sequence[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Precision (T, R, K, A), recall (T, K, A), and K category ids."""
    kind, found = library_rows(detections)
    try:
        truth = hotcoco.COCO(dict(content))
        evaluation = hotcoco.COCOeval(truth, truth.load_res(found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"The detections cannot be evaluated: {error}.") from None
    most = list(evaluation.params.max_dets).index(MAX_DETECTIONS)
    tables = evaluation.eval
    assert tables is not None, "accumulate() fills it"
    ids = list(evaluation.params.cat_ids)
    return tables["precision"][..., most], tables["recall"][..., most], ids


def _averages(precision: np.ndarray, recall: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Means over thresholds and the chosen classes, in points; NaN where there is nothing."""
    found = {
        "AP": known_mean(precision[:, :, chosen, 0]),
        "AP50": known_mean(precision[0][:, chosen, 0]),
        "AP75": known_mean(precision[5][:, chosen, 0]),
        "AR@100": known_mean(recall[:, chosen, 0]),
    }
    for area, word in enumerate("sml", start=1):
        found[f"AP{word}"] = known_mean(precision[:, :, chosen, area])
    return {metric: found[metric] for metric in METRICS}
