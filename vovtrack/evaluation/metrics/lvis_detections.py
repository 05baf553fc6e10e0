"""The mmengine side of the evaluation of detections in stills."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.structures.mask import encode_mask_results
from mmengine.dist import (
    barrier,
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks.lvis import IOU_TYPES
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.reports.report import write_report
from vovtrack.evaluation.reports.tables import summary_rows, text_table
from vovtrack.formats.detection_writer import DetectionWriter, join_detections
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary

GROUP_METRICS = ("AP", "AP50")
"""What is logged of base and of novel classes."""


@METRICS.register_module()
class LvisDetectionMetric(BaseMetric):
    """Average precision of boxes and masks; rare, common and frequent classes apart.

    Detections go to disk image by image, from every process; what is in memory while a model runs
    does not grow with the dataset. The number of processes does not change the files.

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
    judges = IOU_TYPES
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
        self._writers: dict[str, DetectionWriter] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write down the detections of some images.

        Raises:
            InputError: A number is not finite, or masks are missing.
            WriteError: The disk is full.
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
            rows = self._rows(sample["img_id"], found)
            for iou_type, writer in self._begun().items():
                masks = self._encoded(found) if iou_type == "segm" else [{}] * len(rows)
                writer.write_image(row | mask for row, mask in zip(rows, masks, strict=True))

    def _begun(self) -> dict[str, DetectionWriter]:
        """The files of this process; begun again after each evaluation."""
        if not self._writers:
            self._writers = {
                iou_type: DetectionWriter(self.out_dir / f"{iou_type}.json", get_rank())
                for iou_type in self.iou_types
            }
        return self._writers

    def _rows(self, image_id: int, found: dict) -> list[dict]:
        x1, y1, x2, y2 = found["bboxes"].cpu().double().T
        boxes = torch.stack([x1, y1, x2 - x1, y2 - y1], dim=1).tolist()
        values = zip(found["labels"].tolist(), found["scores"].tolist(), boxes, strict=True)
        return [
            dict(
                image_id=image_id,
                category_id=self.vocabulary.category_ids[label],
                score=score,
                bbox=box,
            )
            for label, score, box in values
        ]

    @staticmethod
    def _encoded(found: dict) -> list[dict]:
        if "masks" not in found:
            raise InputError(
                "The model predicts no masks: evaluate iou_types=('bbox',), or give the model a "
                "mask head."
            )
        rles = encode_mask_results(found["masks"].cpu().numpy())
        return [dict(segmentation=dict(rle, counts=rle["counts"].decode())) for rle in rles]

    def evaluate(self, size: int) -> dict[str, float]:
        """Join what all processes wrote and evaluate it, on the first process.

        Args:
            size: Number of images of the dataset.

        Returns:
            ``prefix/<iou type>_AP`` and so on in points, the same on every process.

        Raises:
            InputError: Unusable annotations; on every process, so that none waits for the first.
            WriteError: The disk is full.
        """
        for writer in self._begun().values():
            writer.close()
        self._writers = {}
        barrier()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude(size)]
            except InputError as error:
                outcome = [error]
        broadcast_object_list(outcome)
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return {f"{self.prefix}/{name}": value for name, value in outcome[0].items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` reads what :meth:`process` wrote."""
        return {}

    def _conclude(self, size: int) -> dict[str, float]:
        scores: dict[str, float | None] = {}
        for iou_type in self.iou_types:
            path = self.out_dir / f"{iou_type}.json"
            join_detections(path, get_world_size(), size)
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
    found: dict[str, float | None] = {
        f"{iou_type}_{name}": value for name, value in (summary["all"] or {}).items()
    }
    for group in ("base", "novel"):
        if values := summary.get(group):
            found |= {f"{iou_type}_{group}_{name}": values[name] for name in GROUP_METRICS}
    return found
