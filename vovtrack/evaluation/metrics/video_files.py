"""The mmengine side of benchmarks that want a file of tracks for each video."""

from __future__ import annotations

import json
from abc import abstractmethod
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
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
from vovtrack.files.parts import Parts
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
    _parts: Parts
    _videos: Sequence[VideoRecord]
    _starts: list[int]
    _frames: defaultdict[int, dict[int, Tracks]]

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
        """Start the run that ``run`` describes, or resume it.

        Returns:
            Ids of the videos that are done, as the dataset numbers them.

        Raises:
            InputError: Unfinished results of another run lie in ``out_dir``, or the name of a
                video leads out of it.
        """
        everyone = self.read(self.ann_file)
        if foreign := [v.name for v in everyone.videos if Path(v.name).name != v.name]:
            raise InputError(f"{self.ann_file}: video '{foreign[0]}' is not the name of a file.")
        made_for = dict(
            run=run,
            annotations_sha256=everyone.content_sha256,
            vocabulary=self.vocabulary.fingerprint,
        )
        self._parts = Parts(self.out_dir / TRACKS, json.dumps(made_for))
        self._videos = everyone.videos
        self._starts = np.cumsum([0, *map(len, everyone.videos)]).tolist()
        self._frames = defaultdict(dict)
        done = self._parts.finished(self.suffix)
        tested = [video.name for video in everyone.videos if len(video)]
        return frozenset(k for k, name in enumerate(tested) if name in done)

    def forget(self) -> None:
        """Remove what an interrupted run left unfinished in ``out_dir``."""
        Parts.forget(self.out_dir / TRACKS)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the tracks of some frames; a video is written when its last one is there.

        Raises:
            InputError: The model used other classes than this evaluator, or a number is not finite.
        """
        self._begin_if_new()
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
            self._take(sample["img_id"], tracks)

    def _begin_if_new(self) -> None:
        if not hasattr(self, "_parts"):
            self.begin("")

    def _take(self, place: int, tracks: Tracks) -> None:
        """Keep a frame, known by its place among those of all videos, until its video is whole."""
        k = bisect_right(self._starts, place) - 1
        self._frames[k][place - self._starts[k]] = tracks
        self._write_if_whole(k)

    def _write_if_whole(self, k: int) -> None:
        video, frames = self._videos[k], self._frames[k]
        if len(frames) == len(video):
            ordered = [frames[position] for position in range(len(video))]
            self.write_video(self._parts / self._file(video), video, ordered)
            del self._frames[k]

    def _file(self, video: VideoRecord) -> str:
        return f"{video.name}{self.suffix}"

    def evaluate(self, size: int) -> dict[str, float]:
        """Join the videos of all processes and evaluate them, on the first one.

        Args:
            size: Number of frames, not used: completeness is checked by frame.

        Raises:
            InputError: Frames without results, or unusable annotations; on every process.
        """
        self._begin_if_new()
        remaining = all_gather_object(dict(self._frames))
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude(remaining)]
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

    def _conclude(self, remaining: Sequence[dict[int, dict[int, Tracks]]]) -> dict[str, float]:
        for k, frames in chain.from_iterable(found.items() for found in remaining):
            self._frames[k].update(frames)  # of a video that processes shared
            self._write_if_whole(k)
        for k, video in enumerate(self._videos):
            if not len(video):
                self._write_if_whole(k)
        if missing := self._missing():
            video, number = missing[0]
            raise InputError(
                f"{len(missing)} of {self._starts[-1]} frames have no results, the first: {number} "
                f"of '{video.name}'. Test the whole file."
            )
        files = self._parts.copy(map(self._file, self._videos), self.out_dir / TRACKS)
        pack(self.out_dir / SUBMISSION, files)
        scores = {} if self.format_only else self._judge(self.out_dir / TRACKS)
        self._parts.discard()
        return scores

    def _missing(self) -> list[tuple[VideoRecord, int]]:
        """Videos and numbers of all frames without results."""
        done = self._parts.finished(self.suffix)
        return [
            (video, number)
            for k, video in enumerate(self._videos)
            if video.name not in done
            for position, number in enumerate(video.numbers.tolist())
            if position not in self._frames[k]
        ]

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
