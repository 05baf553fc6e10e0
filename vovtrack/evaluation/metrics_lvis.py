"""The mmengine side of the evaluation of detections in stills."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures.mask import encode_mask_results
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks.lvis import IOU_TYPES
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.report import write_report
from vovtrack.evaluation.tables import summary_rows, text_table
from vovtrack.files.atomic import atomic_write
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary

GROUP_METRICS = ("AP", "AP50")
"""What is logged of base and of novel classes."""


@METRICS.register_module()
class LvisDetectionMetric(BaseMetric):
    """Average precision of boxes and masks; rare, common and frequent classes apart.

    Args:
        ann_file: LVIS-style ground truth.
        vocabulary: The classes of the model's labels, see :meth:`Vocabulary.load`.
        out_dir: Folder of the result files ``bbox.json`` and ``segm.json``.
        iou_types: ``bbox``, ``segm`` or both.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.

    Raises:
        InputError: An unknown IoU type.
    """

    default_prefix = "lvis"
    benchmark = "lvis"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str],
        out_dir: str,
        iou_types: Sequence[str] = ("bbox",),
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        unknown = set(iou_types) - set(IOU_TYPES)
        if unknown:
            raise InputError(f"iou_types {sorted(unknown)}: expected {' or '.join(IOU_TYPES)}.")
        self.ann_file = ann_file
        self.vocabulary = Vocabulary.load(vocabulary)
        self.out_dir = Path(out_dir)
        self.iou_types = tuple(iou_types)
        self.format_only = format_only

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the detections of some images.

        Raises:
            InputError: A number is not finite, or masks are missing.
        """
        for sample in data_samples:
            found = sample["pred_instances"]
            if (
                not torch.isfinite(found["bboxes"]).all()
                or not torch.isfinite(found["scores"]).all()
            ):
                raise InputError(
                    f"Image {sample['img_id']}: a detection holds a number that is not finite. "
                    "Check the checkpoint."
                )
            row = {
                "image_id": sample["img_id"],
                "bboxes": found["bboxes"].cpu().numpy(),
                "scores": found["scores"].cpu().numpy(),
                "labels": found["labels"].cpu().numpy(),
            }
            if "segm" in self.iou_types:
                row["masks"] = self._encoded(found)
            self.results.append(row)

    @staticmethod
    def _encoded(found: dict) -> list[dict]:
        if "masks" not in found:
            raise InputError(
                "The model predicts no masks: evaluate iou_types=('bbox',), or give the model a "
                "mask head."
            )
        rles = encode_mask_results(found["masks"].cpu().numpy())
        return [dict(rle, counts=rle["counts"].decode()) for rle in rles]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Write the result files and evaluate them."""
        scores = {}
        for iou_type in self.iou_types:
            path = self.out_dir / f"{iou_type}.json"
            with atomic_write(path) as file:
                json.dump(self._rows(results, iou_type), file)
            if self.format_only:
                continue
            report = evaluate(self.benchmark, self.ann_file, path, **self._options(iou_type))
            write_report(report, self.out_dir / f"{self.benchmark}_{iou_type}.json")
            table = text_table(*summary_rows(report))
            MMLogger.get_current_instance().info("%s AP on %s\n%s", iou_type, self.ann_file, table)
            scores |= _logged(report["summary"], iou_type)
        return {name: value for name, value in scores.items() if value is not None}

    def _options(self, iou_type: str) -> dict[str, Any]:
        """Arguments of the benchmark."""
        return dict(iou_type=iou_type)

    def _rows(self, results: list[dict], iou_type: str) -> list[dict]:
        rows = []
        for image in results:
            x1, y1, x2, y2 = image["bboxes"].astype(np.float64).T
            boxes = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1).tolist()
            values = zip(image["labels"].tolist(), image["scores"].tolist(), boxes, strict=True)
            for place, (label, score, box) in enumerate(values):
                shape = (
                    {"bbox": box}
                    if iou_type == "bbox"
                    else {"segmentation": image["masks"][place], "bbox": box}
                )
                rows.append(
                    dict(
                        image_id=image["image_id"],
                        category_id=self.vocabulary.category_ids[label],
                        score=score,
                        **shape,
                    )
                )
        return rows


@METRICS.register_module()
class CocoDetectionMetric(LvisDetectionMetric):
    """Average precision of boxes and masks on exhaustively annotated images, as on COCO.

    Only the classes of the vocabulary are evaluated; it also says which are novel: ``coco_65`` is
    the published split of open-vocabulary COCO, whose table is AP50 of its 48 base and 17 novel
    classes. Arguments as of :class:`LvisDetectionMetric`.
    """

    default_prefix = "coco"
    benchmark = "coco"

    def _options(self, iou_type: str) -> dict[str, Any]:
        return dict(iou_type=iou_type, classes=self.vocabulary)


def _logged(summary: dict[str, dict[str, float] | None], iou_type: str) -> dict[str, float | None]:
    """Names and values of all classes, and the most telling ones of base and novel classes."""
    found = {f"{iou_type}_{name}": value for name, value in summary["all"].items()}
    for group in ("base", "novel"):
        if summary.get(group):
            values = summary[group]
            found |= {f"{iou_type}_{group}_{name}": values[name] for name in GROUP_METRICS}
    return found
