"""LVIS detections: average precision of boxes or masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vovtrack.errors import one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.lvis_ap import MAX_DETECTIONS, lvis_scores
from vovtrack.evaluation.scores.statistics import Scores
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.lvis import read_boxes, read_ground_truth, read_masks
from vovtrack.formats.tao.results import TaoResults

IOU_TYPES = ("bbox", "segm")


@dataclass(frozen=True)
class LvisSource:
    """Opened detections; evaluated as a whole, since precision ranks over all images.

    Attributes:
        protocol: See :class:`vovtrack.evaluation.benchmarks.base.WholeSource`.
        content: Annotations.
        detections: Results that can be evaluated: boxes in columns, or masks as dicts.
    """

    protocol: dict[str, Any]
    content: dict[str, Any]
    detections: TaoResults | list[dict[str, Any]]

    def scores(self) -> Scores:
        """Average precision of everything."""
        return lvis_scores(self.content, self.detections)


def open_source(
    gt: Path, pred: Path, problems: InputFaults, *, iou_type: str = "bbox"
) -> LvisSource:
    """Open LVIS annotations and results.

    Args:
        gt: LVIS annotation JSON.
        pred: Result JSON.
        problems: What happens to detections that cannot be evaluated.
        iou_type: ``bbox`` or ``segm``.

    Raises:
        InputError: Unusable files or an unknown ``iou_type``.
    """
    one_of("iou_type", iou_type, IOU_TYPES)
    content = read_ground_truth(gt, masks=iou_type == "segm")
    read = read_masks if iou_type == "segm" else read_boxes
    detections = read(pred, content, problems)
    return LvisSource(
        protocol={
            **provenance(gt, pred, file_sha256),
            "images": len(content["images"]),
            "classes": len(content["categories"]),
            "detections": len(detections),
            "max_detections": MAX_DETECTIONS,
            "iou_type": iou_type,
        },
        content=content,
        detections=detections,
    )
