"""The MOTChallenge family: HOTA, CLEAR and Identity of one class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.errors import InputError
from vovtrack.evaluation import hota
from vovtrack.evaluation.alignment import EPS
from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.clear import CLEAR, COLUMNS, count_clear
from vovtrack.evaluation.frames import VideoFrames, split_frames
from vovtrack.evaluation.hota import HOTA, count_hota
from vovtrack.evaluation.identity import COLUMNS as ID_COLUMNS
from vovtrack.evaluation.identity import IDENTITY, count_identity
from vovtrack.evaluation.oracle import correct
from vovtrack.evaluation.statistics import Statistics, from_videos
from vovtrack.formats.mot_challenge import (
    MotRows,
    MotSequence,
    read_ground_truth,
    read_predictions,
)
from vovtrack.formats.problems import Problems

PEDESTRIAN = 1
# Person on a vehicle, static person, distractor, reflection; MOT20 adds non-motorised vehicles.
DISTRACTORS = {
    "mot17": (2, 7, 8, 12),
    "mot20": (2, 6, 7, 8, 12),
    "dancetrack": (),
    "sportsmot": (),
}
OVERLAP = 0.5


@dataclass(frozen=True)
class MotSource:
    """Opened sequences, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        sequences: Ground truth.
        predictions: Results of each sequence.
        distractors: Classes that may be predicted without being counted.
        oracle: Corrections, see :mod:`vovtrack.evaluation.oracle`.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    sequences: tuple[MotSequence, ...]
    predictions: tuple[MotRows, ...]
    distractors: tuple[int, ...]
    oracle: tuple[str, ...] = ()

    def with_oracle(self, kinds: tuple[str, ...]) -> MotSource:
        """Return the same source with predictions made perfect in some respects."""
        return MotSource(**{**vars(self), "oracle": kinds})

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count sequences ``first`` to ``last - 1``."""
        rows = [self._count_video(k) for k in range(first, last)]
        empty = {
            HOTA.name: hota.empty_columns(),
            CLEAR.name: {name: np.zeros(0) for name in COLUMNS},
            IDENTITY.name: {name: np.zeros(0) for name in ID_COLUMNS},
        }
        return {
            family: from_videos(
                family,
                self.videos[first:last],
                ("pedestrian",),
                None,
                [(np.zeros(1, dtype=np.int64), counts[family]) for counts in rows],
                empty[family],
            )
            for family in self.families
        }

    def _count_video(self, k: int) -> dict[str, dict[str, np.ndarray]]:
        sequence = self.sequences[k]
        gt, dt = _table(sequence.rows), _table(self.predictions[k])
        dt = _without_distractors(gt, dt, self.distractors)
        gt = gt.select((gt.categories == PEDESTRIAN) & (gt.scores != 0))
        if self.oracle:
            dt = correct(gt, dt, self.oracle, exhaustive=True)
        return count_families(split_frames(gt, dt), sequence.num_frames)


def count_families(video: VideoFrames, num_frames: int) -> dict[str, dict[str, np.ndarray]]:
    """HOTA, CLEAR and Identity of one video: {family: {column: one row}}."""
    counts = {
        HOTA.name: count_hota(video),
        CLEAR.name: count_clear(video, num_frames),
        IDENTITY.name: count_identity(video),
    }
    return {
        family: {name: np.asarray(value)[None] for name, value in columns.items()}
        for family, columns in counts.items()
    }


def open_source(gt: Path, pred: Path, problems: Problems, *, benchmark: str) -> MotSource:
    """Open ground truth and results of a benchmark.

    Args:
        gt: Folder or ``.zip`` of ``<sequence>/gt/gt.txt`` and ``<sequence>/seqinfo.ini``.
        pred: Folder or ``.zip`` of ``<sequence>.txt``.
        problems: What happens to faulty rows and missing sequences.
        benchmark: ``mot17``, ``mot20``, ``dancetrack`` or ``sportsmot``: decides the distractors.

    Raises:
        InputError: See :mod:`vovtrack.formats.mot_challenge`; also a predicted class above 1.
    """
    sequences = read_ground_truth(gt, problems)
    predictions = read_predictions(pred, sequences, problems)
    for sequence, rows in zip(sequences, predictions, strict=True):
        if (rows.classes > PEDESTRIAN).any():
            k = int(np.argmax(rows.classes > PEDESTRIAN))
            raise InputError(
                f"{pred}: {sequence.name}, frame {rows.frames[k]}, id {rows.tracks[k]} has class "
                f"{rows.classes[k]}; only pedestrians (1, or -1 for unsaid) are evaluated."
            )
    sizes = [
        len(s.rows.frames) + len(p.frames) for s, p in zip(sequences, predictions, strict=True)
    ]
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(f"{sequence.name} {sequence.num_frames}".encode())
        for column in vars(sequence.rows).values():
            digest.update(np.ascontiguousarray(column).tobytes())
    return MotSource(
        videos=tuple(sequence.name for sequence in sequences),
        sizes=np.array(sizes),
        families=(HOTA.name, CLEAR.name, IDENTITY.name),
        protocol={
            "annotations": str(gt),
            "annotations_sha256": digest.hexdigest(),
            "predictions": str(pred),
            "videos": len(sequences),
            "frames": sum(sequence.num_frames for sequence in sequences),
            "distractor_classes": list(DISTRACTORS[benchmark]),
            "threshold": OVERLAP,
        },
        sequences=tuple(sequences),
        predictions=tuple(predictions),
        distractors=DISTRACTORS[benchmark],
    )


def _table(rows: MotRows) -> BoxTable:
    order = np.argsort(rows.frames, kind="stable")
    return BoxTable(
        videos=np.zeros(len(order), dtype=np.int64),
        times=rows.frames,
        tracks=rows.tracks,
        categories=rows.classes,
        bboxes=rows.bboxes,
        scores=rows.confidences,
    ).select(order)


def _without_distractors(gt: BoxTable, dt: BoxTable, distractors: tuple[int, ...]) -> BoxTable:
    """Drop predictions that are best assigned to something not to be counted."""
    if not distractors:
        return dt
    kept, g, d = np.ones(len(dt), dtype=bool), 0, 0
    hidden = np.isin(gt.categories, distractors)
    for frame in split_frames(gt, dt).frames:
        rows, columns = linear_sum_assignment(-_close(frame.iou))
        good = frame.iou[rows, columns] >= OVERLAP - EPS
        kept[d + columns[good & hidden[g + rows]]] = False
        g, d = g + frame.iou.shape[0], d + frame.iou.shape[1]
    return dt.select(kept)


def _close(iou: np.ndarray) -> np.ndarray:
    return np.where(iou >= OVERLAP - EPS, iou, 0)
