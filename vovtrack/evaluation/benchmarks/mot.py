"""The MOTChallenge family: HOTA, CLEAR and Identity of one class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.oracle import correct
from vovtrack.evaluation.scores import hota
from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.clear import CLEAR, COLUMNS, count_clear
from vovtrack.evaluation.scores.frames import VideoFrames, split_frames
from vovtrack.evaluation.scores.hota import HOTA, count_hota
from vovtrack.evaluation.scores.identity import COLUMNS as ID_COLUMNS
from vovtrack.evaluation.scores.identity import IDENTITY, count_identity
from vovtrack.evaluation.scores.matching import EPS
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.benchmark import (
    MotSequence,
    find_sequences,
    read_ground_truth,
    read_predictions,
    read_sequence_map,
)
from vovtrack.formats.mot.rows import MotRows
from vovtrack.formats.mot.videos import Part, part_of

PEDESTRIAN = 1
LAST_CLASS = 13  # crowd
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
        return replace(self, oracle=kinds)

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
    counts: dict[str, Mapping[str, ArrayLike]] = {
        HOTA.name: count_hota(video),
        CLEAR.name: count_clear(video, num_frames),
        IDENTITY.name: count_identity(video),
    }
    return {
        family: {name: np.asarray(value)[None] for name, value in columns.items()}
        for family, columns in counts.items()
    }


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    benchmark: str = "mot17",
    seqmap: str | Path | None = None,
    names: str = "*",
    part: Part = "all",
) -> MotSource:
    """Open ground truth and results of a benchmark.

    Args:
        gt: Folder or ``.zip`` of ``<sequence>/gt/gt.txt`` and ``<sequence>/seqinfo.ini``.
        pred: Folder or ``.zip`` of ``<sequence>.txt``.
        problems: What happens to faulty rows and missing sequences.
        benchmark: ``mot17``, ``mot20``, ``dancetrack`` or ``sportsmot``: decides the distractors.
        seqmap: File that lists the sequences to evaluate; default: all of the ground truth.
        names: Pattern of the names of sequences to evaluate.
        part: Frames to evaluate, see :func:`~vovtrack.formats.mot.videos.part_of`; results number
            those of a half from 1.

    Raises:
        InputError: See :mod:`vovtrack.formats.mot.benchmark`; also an unknown benchmark, or a
            sequence map that names sequences without ground truth.
    """
    one_of("benchmark", benchmark, DISTRACTORS)
    folders = find_sequences(gt)
    chosen = {n: f for n, f in _chosen(folders, gt, seqmap).items() if fnmatch(n, names)}
    if not chosen:
        raise InputError(f"{gt}: found no ground truth of a sequence of a name like '{names}'.")
    sequences = [
        _part(replace(sequence, rows=_annotated(gt, sequence, problems)), part)
        for sequence in read_ground_truth(gt, chosen, problems)
    ]
    predictions = [
        _pedestrians(pred, sequence.name, rows, problems)
        for sequence, rows in zip(
            sequences, read_predictions(pred, sequences, problems, folders), strict=True
        )
    ]
    truth = [sequence.rows for sequence in sequences]
    lengths = [sequence.num_frames for sequence in sequences]
    return MotSource(
        videos=tuple(chosen),
        sizes=np.array([len(rows.frames) for rows in truth])
        + np.array([len(rows.frames) for rows in predictions]),
        families=(HOTA.name, CLEAR.name, IDENTITY.name),
        protocol={
            "annotations": str(gt),
            "annotations_sha256": _fingerprint(tuple(chosen), lengths, truth),
            "predictions": str(pred),
            "predictions_sha256": _fingerprint(tuple(chosen), lengths, predictions),
            "preset": benchmark,
            "seqmap": None if seqmap is None else str(seqmap),
            "part": part,
            "videos": len(sequences),
            "frames": sum(lengths),
            "distractor_classes": list(DISTRACTORS[benchmark]),
            "threshold": OVERLAP,
            "hota_thresholds": hota.ALPHAS.round(2).tolist(),
        },
        sequences=tuple(sequences),
        predictions=tuple(predictions),
        distractors=DISTRACTORS[benchmark],
    )


def _chosen(folders: dict[str, str], gt: Path, seqmap: str | Path | None) -> dict[str, str]:
    """The sequences of the map, in the order of the folders."""
    if seqmap is None:
        return folders
    names = read_sequence_map(seqmap)
    if missing := [name for name in names if name not in folders]:
        raise InputError(f"{seqmap}: {gt} has no ground truth of sequence '{missing[0]}'.")
    return {name: folder for name, folder in folders.items() if name in names}


def _part(sequence: MotSequence, part: Part) -> MotSequence:
    """Some frames of a sequence, numbered from 1."""
    frames = part_of(sequence.num_frames, part)
    rows = sequence.rows.select(np.isin(sequence.rows.frames - 1, frames))
    rows = replace(rows, frames=rows.frames - frames.start)
    return replace(sequence, num_frames=len(frames), rows=rows)


def _annotated(gt: Path, sequence: MotSequence, problems: InputFaults) -> MotRows:
    """Ground truth of the known classes; without a class nothing of it would be evaluated."""
    wrong = (sequence.rows.classes < 1) | (sequence.rows.classes > LAST_CLASS)
    reason = f"ground truth has a class of 1 to {LAST_CLASS} in column 8"
    return _without(wrong, gt, sequence.name, sequence.rows, reason, problems)


def _pedestrians(pred: Path, name: str, rows: MotRows, problems: InputFaults) -> MotRows:
    reason = "only pedestrians (1, or -1 for unsaid) are evaluated"
    return _without(rows.classes > PEDESTRIAN, pred, name, rows, reason, problems)


def _without(
    wrong: np.ndarray, path: Path, name: str, rows: MotRows, reason: str, problems: InputFaults
) -> MotRows:
    """Report rows of a wrong class and leave them out."""
    for k in np.flatnonzero(wrong):
        where = f"line {rows.lines[k]} of {name}, frame {rows.frames[k]}, id {rows.tracks[k]}"
        problems.report(path, f"{where} has class {rows.classes[k]}", reason)
    return rows.select(~wrong)


def _fingerprint(names: Sequence[str], lengths: Sequence[int], tables: Sequence[MotRows]) -> str:
    """SHA-256 of what was read, which is the same for a folder and an archive of it."""
    digest = hashlib.sha256()
    for name, length, rows in zip(names, lengths, tables, strict=True):
        digest.update(f"{name} {length}".encode())
        for column in (rows.frames, rows.tracks, rows.bboxes, rows.confidences, rows.classes):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


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
