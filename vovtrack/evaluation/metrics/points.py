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
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.files.parts import Parts
from vovtrack.formats.tapvid import write_tracks
from vovtrack.formats.tapvid_videos import open_videos
from vovtrack.registry import METRICS
from vovtrack.structures import PointTracks

TRACKS = "tracks"
"""Folder of the predictions, a file for each video."""
SUFFIX = ".npz"


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
    _parts: Parts
    _names: list[str]

    def __init__(
        self, ann_file: str, out_dir: str, format_only: bool = False, prefix: str | None = None
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        self.ann_file = ann_file
        self.out_dir = Path(out_dir)
        self.format_only = format_only

    def begin(self, run: str) -> frozenset[int]:
        """Start the run that ``run`` describes, or resume it.

        Returns:
            Ids of the videos that are done, as the dataset numbers them.

        Raises:
            InputError: Unfinished results of another run lie in ``out_dir``, or the name of a
                video leads out of it.
        """
        names = [video.name for video in open_videos(self.ann_file)]
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise InputError(f"{self.ann_file}: video '{name}' is not the name of a file.")
        self._names = names
        self._parts = Parts(self.out_dir / TRACKS, json.dumps(dict(run=run, videos=names)))
        done = self._parts.finished(SUFFIX)
        return frozenset(k for k, name in enumerate(names) if name in done)

    def forget(self) -> None:
        """Remove what an interrupted run left unfinished in ``out_dir``."""
        Parts.forget(self.out_dir / TRACKS)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write the points of some videos.

        Raises:
            InputError: A number is not finite.
        """
        self._begin_if_new()
        for sample in data_samples:
            name, points = sample["video"], sample["pred_points"]
            if not torch.isfinite(points).all():
                raise InputError(
                    f"Video '{name}': a point holds a number that is not finite. Check the "
                    "checkpoint."
                )
            found = PointTracks(
                points.double().numpy(), ~sample["pred_visible"].numpy(), sample["source_size"]
            )
            facts = dict(mode=sample["mode"], source_size=list(sample["source_size"]))
            with atomic_write(self._parts / PROTOCOL) as file:
                json.dump({**facts, **sample["protocol"], **versions()}, file, indent=1)
            write_tracks(self._parts / f"{name}{SUFFIX}", found)

    def _begin_if_new(self) -> None:
        if not hasattr(self, "_parts"):
            self.begin("")

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the files of all processes, on the first one.

        Args:
            size: Number of videos.

        Raises:
            InputError: Videos without results, or unusable ground truth; on every process.
        """
        self._begin_if_new()
        barrier()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude()]
            except InputError as error:
                outcome = [error]
        broadcast_object_list(outcome)
        del self._parts
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` reads what :meth:`process` wrote."""
        return {}

    def _conclude(self) -> dict[str, float]:
        done = self._parts.finished(SUFFIX)
        if missing := [name for name in self._names if name not in done]:
            raise InputError(
                f"{len(missing)} of {len(self._names)} videos have no points, the first: "
                f"'{missing[0]}'. Test all of them."
            )
        folder = self.out_dir / TRACKS
        self._parts.copy([PROTOCOL, *(f"{name}{SUFFIX}" for name in self._names)], folder)
        scores = {} if self.format_only else self._judge(folder)
        self._parts.discard()
        return scores

    def _judge(self, folder: Path) -> dict[str, float]:
        mode = read_json(folder / PROTOCOL)["mode"]
        report = evaluate("tapvid", self.ann_file, folder, mode=mode)
        write_report(report, self.out_dir / "tapvid.json")
        write_csv(report, self.out_dir)
        table = text_table(*summary_rows(report, metrics=report["headline"]))
        MMLogger.get_current_instance().info("TAP-Vid on %s\n%s", self.ann_file, table)
        scores = report["summary"]["all"] or {}
        return {f"{self.prefix}/{name}": scores[name] for name in report["headline"] if scores}
