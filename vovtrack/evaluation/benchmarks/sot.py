"""Single-object tracking: one-pass evaluation, and GOT-10k."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.single_object import (
    CURVES,
    GOT10K,
    PRESETS,
    SOT,
    count_got10k,
    count_sequence,
    empty_columns,
)
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.single_object import SotSequence, read_ground_truth
from vovtrack.formats.single_object_results import read_predictions

BOX_FORMATS = ("xywh", "xyxy")


@dataclass(frozen=True)
class SotSource:
    """Opened sequences, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        sequences: Ground truth.
        runs: For each run of the tracker (T, 4) boxes ``(x, y, w, h)`` of each sequence.
        preset: Conventions of OPE.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    sequences: tuple[SotSequence, ...]
    runs: tuple[tuple[np.ndarray, ...], ...]
    preset: str

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count sequences ``first`` to ``last - 1``."""
        chosen = range(first, last)
        rows = {
            SOT.name: [self._curves(place) for place in chosen],
            GOT10K.name: [self._overlaps(place) for place in chosen],
        }
        empty = {
            SOT.name: empty_columns(len(self.runs)),
            GOT10K.name: {
                "overlap": np.zeros(0),
                "over": np.zeros((0, 2)),
                "frames": np.zeros(0, dtype=np.int64),
            },
        }
        label = np.zeros(1, dtype=np.int64)
        videos = self.videos[first:last]
        return {
            family: from_videos(
                family,
                videos,
                ("target",),
                None,
                [(label, row) for row in rows[family]],
                empty[family],
            )
            for family in self.families
        }

    def _curves(self, place: int) -> dict[str, np.ndarray]:
        gt = self.sequences[place]
        try:
            rows = [
                count_sequence(run[place], gt.bboxes, gt.visible, PRESETS[self.preset])
                for run in self.runs
            ]
        except InputError as error:
            raise InputError(f"Sequence '{gt.name}' ({gt.files.boxes}): {error}") from None
        joined = {name: np.concatenate([row[name] for row in rows], axis=1) for name in CURVES}
        return joined | {"sequences": rows[0]["sequences"]}

    def _overlaps(self, place: int) -> dict[str, np.ndarray]:
        """Mean over the runs."""
        gt = self.sequences[place]
        rows = [count_got10k(run[place], gt.bboxes, gt.visible, gt.size) for run in self.runs]
        joined = {
            name: np.mean([row[name] for row in rows], axis=0) for name in ("overlap", "over")
        }
        return joined | {"frames": rows[0]["frames"]}


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    preset: str = "otb",
    box_format: str = "xywh",
    names: str | None = None,
) -> SotSource:
    """Open ground truth and predictions.

    Args:
        gt: Folder or ``.zip``, see :mod:`vovtrack.formats.single_object_layouts`.
        pred: Folder or ``.zip``, see :mod:`vovtrack.formats.single_object_results`. The scores of
            several runs are averaged.
        problems: What happens to missing, unknown and wrongly long sequences.
        preset: Conventions for frames without a target: one of
            :data:`vovtrack.evaluation.scores.single_object.PRESETS`. AO, SR50 and SR75 are those of
            GOT-10k in any case.
        box_format: Of the predictions: ``xywh`` or ``xyxy``.
        names: File with the names of the sequences to evaluate, one in a line; default: all.

    Raises:
        InputError: Unusable files, or an unknown preset or box format.
    """
    one_of("preset", preset, PRESETS)
    one_of("box_format", box_format, BOX_FORMATS)
    sequences = read_ground_truth(gt, names)
    runs = read_predictions(pred, sequences, problems, box_format == "xyxy")
    attributes: dict[str, list[str]] = {}
    for sequence in sequences:
        for attribute in sequence.attributes:
            attributes.setdefault(attribute, []).append(sequence.name)
    return SotSource(
        videos=tuple(sequence.name for sequence in sequences),
        sizes=np.array([len(sequence.bboxes) for sequence in sequences]),
        families=(SOT.name, GOT10K.name),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(sequences),
            "frames": int(sum(len(sequence.bboxes) for sequence in sequences)),
            "preset": preset,
            "absent_frames": PRESETS[preset].absent_frames,
            "box_format": box_format,
            "runs": list(runs),
            "attributes": attributes,
        },
        sequences=tuple(sequences),
        runs=tuple(tuple(boxes) for boxes in runs.values()),
        preset=preset,
    )
