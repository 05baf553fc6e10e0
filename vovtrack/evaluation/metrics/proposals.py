"""The mmengine side of the evaluation of class-agnostic proposals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from vovtrack.evaluation.scores.proposals import average_recall, matched_ious
from vovtrack.formats.coco import read_images
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary


@METRICS.register_module()
class ProposalRecallMetric(BaseMetric):
    """Average recall of the best proposals of each image, of base and of novel objects.

    A network that proposes regions for open-vocabulary training must not have seen novel objects
    labelled; this tells whether it finds them all the same.

    Args:
        ann_file: LVIS- or COCO-style ground truth; crowds do not count.
        vocabulary: What is base and what novel; by default the file says so.
        counts: Numbers of proposals to take.
        thresholds: IoU from which an object is found.
        prefix: Prefix of the metric names.
    """

    default_prefix = "proposals"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | None = None,
        counts: Sequence[int] = (100, 300, 1000),
        thresholds: Sequence[float] = tuple(np.arange(0.5, 1.0, 0.05).round(2)),
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        self.ann_file = ann_file
        self.vocabulary = Vocabulary.load(vocabulary or ann_file)
        self.counts = tuple(counts)
        self.thresholds = np.array(thresholds)

    @cached_property
    def _objects(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Image id -> boxes (G, 4) and whether they are of novel classes (G,)."""
        found = {}
        for record in read_images(self.ann_file, self.vocabulary):
            objects = [i for i in record["instances"] if not i["ignore_flag"]]
            boxes = np.array([i["bbox"] for i in objects], float).reshape(-1, 4)
            labels = np.array([i["bbox_label"] for i in objects], int)
            found[record["id"]] = boxes, self.vocabulary.novel[labels]
        return found

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Match the proposals of some images; ``pred_instances`` are best first."""
        for sample in data_samples:
            objects, novel = self._objects[sample["img_id"]]
            proposals = sample["pred_instances"]["bboxes"].cpu().numpy().astype(float)
            ious = [matched_ious(objects, proposals[:count]) for count in self.counts]
            self.results.append((np.array(ious).reshape(len(self.counts), -1), novel))

    def compute_metrics(self, results: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """``AR@100`` of all objects, ``base_AR@100``, ``novel_AR@100``, and so on."""
        ious = np.concatenate([row for row, _ in results], axis=1)
        novel = np.concatenate([row for _, row in results])
        groups = {"": np.ones(len(novel), bool), "base_": ~novel, "novel_": novel}
        return {
            f"{group}AR@{count}": average_recall(found[chosen], self.thresholds)
            for count, found in zip(self.counts, ious, strict=True)
            for group, chosen in groups.items()
        }
