"""The mmengine side of evaluation: results stream to disk, then pure functions judge them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.frame_order import FrameOrder, check_classes
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.reports.report import write_report
from vovtrack.evaluation.reports.tables import summary_rows, text_table
from vovtrack.files.hashing import file_sha256
from vovtrack.files.parts import Parts
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.writer import TaoResultWriter, vote_track_categories
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary

RESULTS = ("tao_track.json", "tao_bbox.json")
"""Result files of tracks and of detections."""


@METRICS.register_module()
class TaoTrackMetric(BaseMetric):
    """Writes TAO results video by video and evaluates them with TETA, base and novel apart.

    Only the rows of the running video are in memory. What is finished survives a kill, and a
    later run with the same ``run`` text continues; results of several processes lie in one folder
    and are joined in one order, so their number does not change the files.

    Args:
        ann_file: TAO-style ground truth.
        vocabulary: The classes of the model's labels, see :meth:`Vocabulary.load`.
        out_dir: Folder of ``tao_track.json`` and ``tao_bbox.json``, each with its columns, and of a
            report ``<benchmark>.json`` for every benchmark.
        benchmarks: What to compute: ``tao-ov`` (TETA, base and novel apart), ``tao`` (TETA and
            the AP of tracks) from the tracks, ``lvis`` (AP of boxes) from the detections.
        category_vote: Give all boxes of a track one category: by ``count`` its most frequent one
            (as published), by ``score`` the one with the largest sum of scores; None leaves each
            box its own.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.
    """

    default_prefix = "tao"
    judges = ("track",)
    recorder = "StoreObservations"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str] | Vocabulary,
        out_dir: str,
        benchmarks: Sequence[str] = ("tao-ov",),
        category_vote: Literal["count", "score"] | None = "count",
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device="cpu", prefix=prefix)
        self.ann_file = ann_file
        self.vocabulary = Vocabulary.load(vocabulary)
        self.out_dir = Path(out_dir)
        self.benchmarks = tuple(benchmarks)
        self.category_vote = category_vote
        self.format_only = format_only
        self._writers: dict[str, TaoResultWriter] = {}
        self._tracks: list[dict] = []
        self._detections: list[dict] = []
        self._order = FrameOrder()

    def begin(self, run: str) -> frozenset[int]:
        """Open the result files for the run that ``run`` describes.

        Returns:
            Ids of the videos that an interrupted run of the same text has finished.

        Raises:
            InputError: Unfinished results of another run, annotation file or vocabulary lie in
                ``out_dir``, or the vocabulary gives categories of the annotation other names.
        """
        self._check_vocabulary()
        made_for = dict(
            run=run,
            annotations_sha256=file_sha256(self.ann_file),
            vocabulary=self.vocabulary.fingerprint,
            category_vote=str(self.category_vote),
        )
        self._writers = {
            name: TaoResultWriter(self.out_dir / name, json.dumps(made_for), made_for)
            for name in RESULTS
        }
        return frozenset.intersection(*(w.finished for w in self._writers.values()))

    def forget(self) -> None:
        """Remove what an interrupted run left unfinished in ``out_dir``."""
        for name in RESULTS:
            Parts.forget(self.out_dir / name)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the results of some consecutive frames of one video.

        Raises:
            InputError: The model used other classes than this evaluator, a number is not finite,
                or a frame is not the next one of its video.
        """
        for sample in data_samples:
            check_classes(sample, self.vocabulary)
            self._order.check(sample)
            self._tracks += self._rows(sample, "pred_track_instances")
            self._detections += self._rows(sample, "pred_instances")
            if sample["frame_id"] == sample["video_length"] - 1:
                self._store(sample["video_id"])

    def _check_vocabulary(self) -> None:
        """Category ids in the results must mean in the annotation what the model meant by them."""
        theirs = Vocabulary.load(self.ann_file)
        for category, name in zip(self.vocabulary.category_ids, self.vocabulary.names, strict=True):
            known = theirs.names[theirs.label_of(category)] if category in theirs else None
            if known is None or _letters(known) != _letters(name):
                raise InputError(
                    f"Class '{name}' of test_evaluator.vocabulary has category id {category}, "
                    f"which is {'not in' if known is None else repr(known) + ' in'} "
                    f"'{self.ann_file}': choose the vocabulary of that file."
                )

    def _rows(self, sample: dict, field: str) -> list[dict]:
        for name in ("bboxes", "scores"):
            if not torch.isfinite(sample[field][name]).all():
                raise InputError(
                    f"Frame {sample['frame_id']} of video {sample['video_id']}: {field}.{name} "
                    "holds a number that is not finite. Check the checkpoint."
                )
        found = {name: value.tolist() for name, value in sample[field].items()}
        track_ids = found.get("instances_id")
        return [
            dict(
                image_id=sample["img_id"],
                video_id=sample["video_id"],
                category_id=self.vocabulary.category_ids[label],
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=score,
                **({} if track_ids is None else dict(track_id=track_ids[i])),
            )
            for i, ((x1, y1, x2, y2), score, label) in enumerate(
                zip(found["bboxes"], found["scores"], found["labels"], strict=True)
            )
        ]

    def _store(self, video_id: int) -> None:
        if not self._writers:
            self.begin("")
        rows = self._tracks
        if self.category_vote is not None:
            rows = vote_track_categories(rows, self.category_vote)
        self._writers["tao_track.json"].write_video(video_id, rows)
        self._writers["tao_bbox.json"].write_video(video_id, self._detections)
        self._tracks, self._detections = [], []

    def evaluate(self, size: int) -> dict[str, float]:
        """Join the results of all processes and evaluate them, on the first process.

        Args:
            size: Number of frames, not used: completeness is checked by video.

        Returns:
            ``prefix/group/TETA`` and so on in points, the same on every process.

        Raises:
            InputError: Videos without results, or unusable annotations; on every process, so that
                none waits for the first.
        """
        if not self._writers:
            self.begin("")
        barrier()
        outcome: list[Any] = [None]
        if is_main_process():
            try:
                outcome = [self._conclude()]
            except InputError as error:
                outcome = [error]
        broadcast_object_list(outcome)
        self._writers = {}
        if isinstance(outcome[0], InputError):
            raise outcome[0]
        return outcome[0]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` reads what :meth:`process` wrote."""
        return {}

    def _conclude(self) -> dict[str, float]:
        videos = {image["video_id"] for image in read_annotations(self.ann_file)["images"]}
        for writer in self._writers.values():
            missing = videos - writer.finished
            if missing:
                raise InputError(
                    f"{self.out_dir}: {len(missing)} of {len(videos)} videos have no results, "
                    f"the first: {sorted(missing)[:5]}. Run the test again to continue."
                )
            writer.join()
        for writer in self._writers.values():
            writer.discard()
        if self.format_only:
            return {}
        return {
            name: value
            for benchmark in self.benchmarks
            for name, value in self._evaluate(benchmark).items()
        }

    def _evaluate(self, benchmark: str) -> dict[str, float]:
        results = "tao_bbox.json" if benchmark == "lvis" else "tao_track.json"
        report = evaluate(benchmark, self.ann_file, self.out_dir / results)
        write_report(report, self.out_dir / f"{benchmark}.json")
        table = text_table(*summary_rows(report))
        MMLogger.get_current_instance().info("%s on %s\n%s", benchmark, self.ann_file, table)
        return {
            f"{self.prefix}/{group}/{name}": value
            for group, scores in report["summary"].items()
            for name, value in (scores or {}).items()
            if value is not None
        }


def _letters(name: str) -> str:
    """A class name without the case, blanks and underscores in which files differ."""
    return re.sub(r"[\W_]", "", name.lower())
