"""The mmengine side of TAP-Vid: predictions as files, and their scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks.tapvid import PROTOCOL
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.reports.csv_tables import write_csv
from vovtrack.evaluation.reports.report import versions, write_report
from vovtrack.evaluation.reports.tables import summary_rows, text_table
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.tapvid import write_tracks
from vovtrack.registry import METRICS
from vovtrack.structures import PointTracks

TRACKS = "tracks"
"""Folder of the predictions, a file for each video."""


@METRICS.register_module()
class PointTrackMetric(BaseMetric):
    """Writes the points of each video as soon as they are there, and evaluates all of them.

    Args:
        ann_file: Ground truth, see :func:`vovtrack.formats.tapvid.read_truth`.
        out_dir: Gets the folder ``tracks``, the report ``tapvid.json`` and its tables by video and
            by point, ``per_video.csv`` and ``per_point.csv``.
        format_only: Write the predictions and do not evaluate.
        prefix: Prefix of the metric names.
    """

    default_prefix = "tapvid"
    judges = ("tapvid",)

    def __init__(
        self, ann_file: str, out_dir: str, format_only: bool = False, prefix: str | None = None
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        self.ann_file = ann_file
        self.out_dir = Path(out_dir)
        self.format_only = format_only

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write the points of some videos.

        Raises:
            InputError: A number is not finite, or the name of a video leads out of the folder.
        """
        for sample in data_samples:
            name, points = sample["video"], sample["pred_points"]
            if not torch.isfinite(points).all():
                raise InputError(
                    f"Video '{name}': a point holds a number that is not finite. Check the "
                    "checkpoint."
                )
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise InputError(f"{self.ann_file}: video '{name}' is not the name of a file.")
            found = PointTracks(
                points.double().numpy(), ~sample["pred_visible"].numpy(), sample["source_size"]
            )
            write_tracks(self.out_dir / TRACKS / f"{name}.npz", found)
            self.results.append((sample["mode"], sample["source_size"], sample["protocol"]))

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the files of all processes, on the first one.

        Args:
            size: Number of videos.

        Raises:
            InputError: Videos without results, or unusable ground truth; on every process.
        """
        barrier()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude()]
            except InputError as error:
                outcome = [error]
        self.results.clear()
        broadcast_object_list(outcome)
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` reads what :meth:`process` wrote."""
        return {}

    def _conclude(self) -> dict[str, float]:
        mode, source_size, protocol = self.results[0]
        folder = self.out_dir / TRACKS
        facts = dict(mode=mode, source_size=list(source_size), **protocol, **versions())
        with atomic_write(folder / PROTOCOL) as file:
            json.dump(facts, file, indent=1)
        if self.format_only:
            return {}
        report = evaluate("tapvid", self.ann_file, folder, mode=mode)
        write_report(report, self.out_dir / "tapvid.json")
        write_csv(report, self.out_dir)
        table = text_table(*summary_rows(report, metrics=report["headline"]))
        MMLogger.get_current_instance().info("TAP-Vid on %s\n%s", self.ann_file, table)
        scores = report["summary"]["all"] or {}
        return {f"{self.prefix}/{name}": scores[name] for name in report["headline"] if scores}
