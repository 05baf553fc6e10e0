"""COCO detections: average precision of boxes or masks, base and novel classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks import lvis
from vovtrack.evaluation.benchmarks.lvis import LvisSource
from vovtrack.evaluation.scores.coco_ap import MAX_DETECTIONS, coco_scores
from vovtrack.evaluation.scores.statistics import Scores
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao.results import TaoResults
from vovtrack.structures import Vocabulary


@dataclass(frozen=True)
class CocoSource(LvisSource):
    """Opened detections.

    Attributes:
        novel: Category ids of novel classes.
    """

    novel: tuple[int, ...]

    def scores(self) -> Scores:
        """Average precision of everything."""
        return coco_scores(self.content, self.detections, self.novel)


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    classes: str | Sequence[str] | None = None,
    iou_type: str = "bbox",
) -> CocoSource:
    """Open COCO annotations and results.

    Args:
        gt: COCO annotation JSON.
        pred: Result JSON.
        problems: What happens to detections that cannot be evaluated.
        classes: What is evaluated, and which classes are novel, see :meth:`Vocabulary.parse`
            (``coco_65`` is the split of open-vocabulary COCO); default: all classes of the file.
        iou_type: ``bbox`` or ``segm``.

    Raises:
        InputError: Unusable files, an unknown ``iou_type``, or classes that the file lacks.
    """
    source = lvis.open_source(gt, pred, problems, iou_type=iou_type)
    vocabulary = Vocabulary.load(gt) if classes is None else Vocabulary.parse(classes)
    known = {category["id"] for category in source.content["categories"]}
    foreign = [name for name, i in zip(vocabulary.names, vocabulary.category_ids, strict=True)
               if i not in known]  # fmt: skip
    if foreign:
        raise InputError(f"{gt}: has no category for {len(foreign)} classes, first '{foreign[0]}'.")
    chosen = set(vocabulary.category_ids)
    content = {
        "images": source.content["images"],
        "annotations": [a for a in source.content["annotations"] if a["category_id"] in chosen],
        "categories": [c for c in source.content["categories"] if c["id"] in chosen],
    }
    detections = _of_categories(source.detections, vocabulary.category_ids)
    counts = {
        "classes": len(vocabulary),
        "detections": len(detections),
        "max_detections": MAX_DETECTIONS,
    }
    ids = np.array(vocabulary.category_ids)
    return CocoSource(
        protocol=source.protocol | counts,
        content=content,
        detections=detections,
        novel=tuple(ids[vocabulary.novel].tolist()),
    )


def _of_categories(
    detections: TaoResults | list[dict], categories: Sequence[int]
) -> TaoResults | list[dict]:
    if isinstance(detections, TaoResults):
        return detections.select(np.isin(detections.category_ids, categories))
    return [row for row in detections if row["category_id"] in set(categories)]
