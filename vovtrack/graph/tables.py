"""Detections of a MOTChallenge sequence as LG-MOT prepares them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.folders import GT, INFO, SequenceInfo
from vovtrack.formats.mot.rows import MotRows, read_rows
from vovtrack.graph.detections import UNKNOWN
from vovtrack.graph.stitching import pair_best

FIRST_PIXEL = np.array([1, 1, 0, 0])
"""Files count pixels from 1."""
PEOPLE = (1, 2, 7, 8, 12)
"""Classes of the ground truth that detections may show: pedestrians and what looks like them."""
PEDESTRIAN = 1


@dataclass(frozen=True)
class Preparation:
    """What a dataset's detections pass.

    Attributes:
        least_confidence: Of detections that are kept.
        keep_unconfident: Whether all are kept where none is confident.
        clamp: Whether boxes are forced inside the frame, see :func:`clamp_boxes`.
        clamp_truth: Whether objects' first corners are clamped, too, before it is found out what
            detections show; their last corners are not. The released program does so for the
            detections of Tracktor and of ApLift.
        min_iou: Of a detection with the object that it shows.
    """

    least_confidence: float = 0.0
    keep_unconfident: bool = False
    clamp: bool = False
    clamp_truth: bool = False
    min_iou: float = 0.5


@dataclass(frozen=True, eq=False)
class Table:
    """Detections of a sequence, by frame.

    Attributes:
        frame: (N,) from 1.
        box: (N, 4) float64 (left, top, width, height) in pixels from 0.
        confidence: (N,).
        identity: (N,) object that they show, ``UNKNOWN`` for none.
    """

    frame: NDArray[np.int64]
    box: NDArray[np.float64]
    confidence: NDArray[np.float64]
    identity: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Table:
        """Only some of them."""
        return Table(*(getattr(self, field.name)[rows] for field in fields(self)))


def read_detections(folder: str | Path, name: str, preparation: Preparation) -> Table:
    """The detections of a sequence, with the objects that they show if there is ground truth.

    Args:
        folder: Of the sequence, with ``seqinfo.ini``.
        name: Of the file of detections, in ``det`` and without its suffix.
        preparation: What they pass.

    Raises:
        InputError: A file is missing or malformed, or a box is empty or outside of the frame.
    """
    tree = FileTree(folder)
    info = SequenceInfo.parse(tree.read_text(INFO), f"{folder}/{INFO}")
    file = f"det/{name}.txt"
    rows = read_rows(tree, file, info.num_frames, InputFaults(), tracked=False)
    found = _table(rows)
    confident = found.confidence >= preparation.least_confidence
    if confident.any() or not preparation.keep_unconfident:
        found = found.select(confident)
    box = found.box
    if preparation.clamp:
        box = clamp_boxes(box, info.width, info.height)
    inside = (box[:, :2] < [info.width, info.height]).all(axis=1)
    inside &= (box[:, :2] + box[:, 2:] > 0).all(axis=1) & (box[:, 2:] > 0).all(axis=1)
    if not inside.all():
        frame = found.frame[~inside][0]
        raise InputError(
            f"{folder}/{file}: a box of frame {frame} is empty or outside of the "
            f"{info.width}x{info.height} frame. Leave it out, or let boxes be clamped."
        )
    identity: NDArray[np.int64] = np.full(len(found), UNKNOWN)
    if (Path(folder) / GT).is_file():
        truth = read_truth(folder)
        if preparation.clamp_truth:
            last = truth.box[:, :2] + truth.box[:, 2:]
            first = clamp_boxes(truth.box, info.width, info.height)[:, :2]
            truth = replace(truth, box=np.hstack([first, last - first]))
        identity = assign_identities(found.frame, box, truth, preparation.min_iou)
    return Table(found.frame, box, found.confidence, identity)


def read_truth(folder: str | Path, alone: bool = False) -> Table:
    """The ground truth of a sequence.

    Args:
        folder: Of the sequence.
        alone: Whether it stands for detections: only pedestrians that are evaluated.

    Raises:
        InputError: A file is missing or malformed.
    """
    tree = FileTree(folder)
    info = SequenceInfo.parse(tree.read_text(INFO), f"{folder}/{INFO}")
    rows = read_rows(tree, GT, info.num_frames, InputFaults())
    if alone:
        kept = (rows.classes == PEDESTRIAN) & (rows.confidences == 1)
    else:
        kept = np.isin(rows.classes, PEOPLE)
    return _table(rows.select(kept))


def _table(rows: MotRows) -> Table:
    """Rows by frame."""
    rows = rows.select(np.argsort(rows.frames, kind="stable"))
    return Table(rows.frames, rows.bboxes - FIRST_PIXEL, rows.confidences, rows.tracks)


def clamp_boxes(box: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Boxes forced inside a frame, in whole pixels; each keeps at least one.

    Args:
        box: (N, 4) (left, top, width, height).
        width: Of the frame.
        height: Of the frame.
    """
    frame = np.array([width, height])
    corner = np.trunc(np.clip(box[:, :2], 0, frame - 2))
    size = box[:, 2:] - (corner - box[:, :2])
    return np.hstack([corner, np.trunc(np.clip(size, 1, frame - corner))])


def assign_identities(
    frame: NDArray[np.int64], box: NDArray[np.float64], truth: Table, min_iou: float = 0.5
) -> NDArray[np.int64]:
    """Who detections show: as many as possible show somebody, then overlaps are largest.

    Args:
        frame: (N,) ascending.
        box: (N, 4) of detections.
        truth: Objects, by frame.
        min_iou: Of a pair, counted in whole pixels, both edges of a box being inside.

    Returns:
        (N,) identities, ``UNKNOWN`` for nobody.
    """
    identity = np.full(len(frame), UNKNOWN)
    for number in np.intersect1d(frame, truth.frame):
        rows, others = (np.flatnonzero(x == number) for x in (frame, truth.frame))
        overlap = _pixel_iou(box[rows], truth.box[others])
        pairs = pair_best(np.where(overlap >= min_iou, overlap, 0))
        identity[rows[pairs[0]]] = truth.identity[others[pairs[1]]]
    return identity


def _pixel_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlap of all pairs (N, M) of boxes, both of whose edges are inside."""
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[:, :2] + b[:, 2:])
    shared = np.clip(high - low + 1, 0, None).prod(axis=2)
    areas = [(x[:, 2:] + 1).prod(axis=1) for x in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared)
