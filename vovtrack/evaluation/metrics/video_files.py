"""The mmengine side of benchmarks that want a file of tracks for each video."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
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
from vovtrack.files.packing import pack
from vovtrack.formats.videos import find_reader
from vovtrack.structures import Tracks, Vocabulary
from vovtrack.structures.videos import VideoRecord, VideoSet

TRACKS = "tracks"
"""Folder of the results, a file for each video."""
SUBMISSION = "submission.zip"


class VideoFilesMetric(BaseMetric):
    """Writes the tracks of each video to a file, all of them to an archive, and evaluates them.

    Args:
        ann_file: Ground truth of the videos.
        reader: Reader of the dataset that is tested, see
            :class:`~vovtrack.datasets.video_dataset.VideoDataset`.
        vocabulary: The classes of the model's labels, see :meth:`Vocabulary.load`.
        out_dir: Gets the folder ``tracks``, the archive ``submission.zip`` with its files, and the
            report ``<benchmark>.json``.
        benchmark: What to compute, see :mod:`vovtrack.evaluation.benchmarks`.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.
    """

    judges = ("track",)
    recorder = "StoreObservations"
    suffix: str
    """Of the file of a video."""

    def __init__(
        self,
        ann_file: str,
        reader: dict[str, Any],
        vocabulary: str | Sequence[str] | Vocabulary,
        out_dir: str,
        benchmark: str,
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix or benchmark)
        self.ann_file = ann_file
        self.read = find_reader(**reader)
        self.vocabulary = Vocabulary.load(vocabulary)
        self.out_dir = Path(out_dir)
        self.benchmark = benchmark
        self.format_only = format_only

    @abstractmethod
    def write_video(self, path: Path, video: VideoRecord, frames: Sequence[Tracks]) -> None:
        """Write the tracks of all frames of a video."""

    def options(self) -> dict[str, Any]:
        """Options of the benchmark."""
        return {}

    def videos(self) -> VideoSet:
        """The videos that are tested, as the dataset numbers them."""
        found = self.read(self.ann_file)
        return found._replace(videos=[video for video in found.videos if len(video)])

    def begin(self, run: str) -> frozenset[int]:
        """Start: what an interrupted run has done is not kept."""
        return frozenset()

    def forget(self) -> None:
        """Nothing is kept that could be removed."""

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
            kept = found["instances_id"] >= 0
            columns = (found[n][kept] for n in ("bboxes", "instances_id", "labels", "scores"))
            bboxes, ids, labels, scores = (column.numpy(force=True) for column in columns)
            names = self.vocabulary.names
            tracks = Tracks(sample["frame_id"], bboxes, ids, labels, scores, names)
            self.results.append((sample["img_id"], tracks))

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

    def _conclude(self, rows: dict[int, Tracks]) -> dict[str, float]:
        videos = self.read(self.ann_file).videos
        frames = [(video, int(number)) for video in videos for number in video.numbers]
        if missing := [frame for place, frame in enumerate(frames) if place not in rows]:
            video, number = missing[0]
            raise InputError(
                f"{len(missing)} of {len(frames)} frames have no results, the first: {number} of "
                f"'{video.name}'. Test the whole file."
            )
        if foreign := [v.name for v in videos if Path(v.name).name != v.name]:
            raise InputError(f"{self.ann_file}: video '{foreign[0]}' is not the name of a file.")
        folder, first, files = self.out_dir / TRACKS, 0, []
        for video in videos:
            files.append(folder / f"{video.name}{self.suffix}")
            own = [rows[place] for place in range(first, first + len(video))]
            self.write_video(files[-1], video, own)
            first += len(video)
        pack(self.out_dir / SUBMISSION, files)
        return {} if self.format_only else self._judge(folder)

    def _judge(self, folder: Path) -> dict[str, float]:
        report = evaluate(self.benchmark, self.ann_file, folder, **self.options())
        write_report(report, self.out_dir / f"{self.benchmark}.json")
        table = text_table(*summary_rows(report, metrics=report["headline"]))
        MMLogger.get_current_instance().info("%s on %s\n%s", self.benchmark, self.ann_file, table)
        return {
            f"{self.prefix}/{group}/{name}": value
            for group, scores in report["summary"].items()
            for name, value in (scores or {}).items()
            if name in report["headline"] and value is not None
        }
