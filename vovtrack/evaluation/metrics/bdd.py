"""The mmengine side of BDD100K: results in Scalabel's form, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.frame_order import check_classes
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.reports.report import write_report
from vovtrack.evaluation.reports.tables import summary_rows, text_table
from vovtrack.formats.bdd100k import BddFrame, list_frames, write_video
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary

TRACKS = "tracks"
"""Folder of the results, a JSON file for each video."""


@METRICS.register_module()
class BddTrackMetric(BaseMetric):
    """Writes tracks in the form that BDD100K's server and tools read, and evaluates them.

    Args:
        ann_file: Ground truth, JSON file or folder of JSON files.
        vocabulary: The classes of the model's labels; their names are those of the results.
        out_dir: Gets the folder ``tracks`` and the report ``bdd100k.json``.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.
    """

    default_prefix = "bdd100k"
    judges = ("track",)

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str] | Vocabulary,
        out_dir: str,
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        self.ann_file = ann_file
        self.vocabulary = Vocabulary.load(vocabulary)
        self.out_dir = Path(out_dir)
        self.format_only = format_only

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the tracks of some frames.

        Raises:
            InputError: The model used other classes than this evaluator, or a number is not finite.
        """
        for sample in data_samples:
            check_classes(sample, self.vocabulary)
            found = sample["pred_track_instances"]
            if not all(torch.isfinite(found[name]).all() for name in ("bboxes", "scores")):
                raise InputError(
                    f"Frame {sample['img_id']}: a track holds a number that is not finite. Check "
                    "the checkpoint."
                )
            columns = (found[n].tolist() for n in ("instances_id", "labels", "scores", "bboxes"))
            labels = [
                dict(id=i, category=self.vocabulary.names[label], score=score, box=box)
                for i, label, score, box in zip(*columns, strict=True)
                if i >= 0
            ]
            self.results.append((sample["img_id"], labels))

    def evaluate(self, size: int) -> dict[str, float]:
        """Write and evaluate the frames of all processes, on the first one.

        Args:
            size: Number of frames, not used: completeness is checked by frame.

        Raises:
            InputError: Frames without results, or unusable annotations; on every process.
        """
        rows = dict(chain.from_iterable(all_gather_object(self.results)))
        self.results.clear()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude(rows)]
            except InputError as error:
                outcome = [error]
        broadcast_object_list(outcome)
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` gathers by frame."""
        return {}

    def _conclude(self, rows: dict[int, list[dict]]) -> dict[str, float]:
        frames = list_frames(self.ann_file)
        if missing := [frame for number, frame in enumerate(frames) if number not in rows]:
            raise InputError(
                f"{len(missing)} of {len(frames)} frames have no results, the first: "
                f"{missing[0].number} of '{missing[0].video}'. Test the whole file."
            )
        if foreign := [frame.video for frame in frames if Path(frame.video).name != frame.video]:
            raise InputError(f"{self.ann_file}: video '{foreign[0]}' is not the name of a file.")
        numbered: list[tuple[BddFrame, list[dict]]] = [
            (frame, rows[number]) for number, frame in enumerate(frames)
        ]
        for video, own in groupby(numbered, key=lambda pair: pair[0].video):
            write_video(self.out_dir / TRACKS / f"{video}.json", own)
        if self.format_only:
            return {}
        report = evaluate("bdd100k", self.ann_file, self.out_dir / TRACKS)
        write_report(report, self.out_dir / "bdd100k.json")
        table = text_table(*summary_rows(report, metrics=report["headline"]))
        MMLogger.get_current_instance().info("bdd100k on %s\n%s", self.ann_file, table)
        return {
            f"{self.prefix}/{group}/{name}": value
            for group, scores in report["summary"].items()
            for name, value in (scores or {}).items()
            if name in report["headline"] and value is not None
        }
