"""Single-object tracking: one-pass evaluation, and GOT-10k."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.single_object import (
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
from vovtrack.formats.single_object import SotSequence, read_ground_truth, read_predictions

BOX_FORMATS = ("xywh", "xyxy")


@dataclass(frozen=True)
class SotSource:
    """Opened sequences, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        sequences: Ground truth.
        predictions: (T, 4) boxes ``(x, y, w, h)`` of each sequence.
        preset: Conventions of OPE.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    sequences: tuple[SotSequence, ...]
    predictions: tuple[np.ndarray, ...]
    preset: str

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count sequences ``first`` to ``last - 1``."""
        pairs = list(zip(self.sequences, self.predictions, strict=True))[first:last]
        counted = {
            SOT.name: [
                count_sequence(found, gt.bboxes, gt.visible, PRESETS[self.preset])
                for gt, found in pairs
            ],
            GOT10K.name: [
                count_got10k(found, gt.bboxes, gt.visible, gt.size) for gt, found in pairs
            ],
        }
        empty = {
            SOT.name: empty_columns(),
            GOT10K.name: {
                "overlap": np.zeros(0),
                "over": np.zeros((0, 2), dtype=np.int64),
                "frames": np.zeros(0, dtype=np.int64),
            },
        }
        return {
            family: from_videos(
                family,
                self.videos[first:last],
                ("target",),
                None,
                [(np.zeros(1, dtype=np.int64), row) for row in counted[family]],
                empty[family],
            )
            for family in self.families
        }


def open_source(
    gt: Path, pred: Path, problems: InputFaults, *, preset: str = "otb", box_format: str = "xywh"
) -> SotSource:
    """Open ground truth and predictions, see :mod:`vovtrack.formats.single_object`.

    Args:
        gt: Folder or ``.zip`` of sequences.
        pred: Folder or ``.zip`` of ``<sequence>.txt``.
        problems: What happens to missing, unknown and wrongly long sequences.
        preset: Conventions for frames without a target: ``otb``, ``uav``, ``lasot``,
            ``lasot_ext`` or ``mmtracking``. AO, SR50 and SR75 are those of GOT-10k in any case.
        box_format: Of the predictions: ``xywh`` or ``xyxy``.

    Raises:
        InputError: Unusable files, or an unknown preset or box format.
    """
    one_of("preset", preset, PRESETS)
    one_of("box_format", box_format, BOX_FORMATS)
    sequences = read_ground_truth(gt)
    predictions = read_predictions(pred, sequences, problems, box_format == "xyxy")
    return SotSource(
        videos=tuple(sequence.name for sequence in sequences),
        sizes=np.array([len(sequence.bboxes) for sequence in sequences]),
        families=(SOT.name, GOT10K.name),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(sequences),
            "frames": int(sum(len(sequence.bboxes) for sequence in sequences)),
            "preset": preset,
            "box_format": box_format,
        },
        sequences=tuple(sequences),
        predictions=tuple(predictions),
        preset=preset,
    )
