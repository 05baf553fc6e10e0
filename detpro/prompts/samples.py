"""Regions with labels and overlaps, whose CLIP features stay on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from detpro.features.bank import RegionFeatureBank
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.formats.coco import read_images
from vovtrack.ops.boxes import pairwise_iou
from vovtrack.structures import Vocabulary

MIN_FOREGROUND_IOU = 0.5
"""A region that overlaps no object by this much has no label."""


class FeatureRows(Protocol):
    """Features that are read when asked for."""

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Features (n, D) of rows of the source."""


@dataclass(frozen=True)
class RegionSamples:
    """Regions of many images, 16 bytes each.

    Attributes:
        source: Where their features are.
        rows: (R,) int64 their rows there.
        labels: (R,) int32 label of the object a region overlaps most, -1 below an IoU of 0.5.
        ious: (R,) float32 the largest overlap with a visible object.
    """

    source: FeatureRows
    rows: np.ndarray
    labels: np.ndarray
    ious: np.ndarray


class BankRows:
    """The rows of several banks, one bank behind the other.

    Args:
        folders: The banks.

    Raises:
        InputError: No bank, a damaged or incomplete one, or banks of different sizes of features.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.banks = [RegionFeatureBank(folder) for folder in folders]
        self.starts = np.cumsum([0, *(bank.num_rows for bank in self.banks)])
        if len(dims := {bank.header.embed_dims for bank in self.banks}) > 1:
            raise InputError(
                f"The banks {', '.join(map(str, folders))} have features of {sorted(dims)} "
                "dimensions: use banks of one CLIP."
            )

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Features (n, D) float16."""
        found = np.empty((len(numbers), self.banks[0].header.embed_dims), np.float16)
        owners = np.searchsorted(self.starts, numbers, side="right") - 1
        for owner in np.unique(owners).tolist():
            asked = owners == owner
            found[asked] = self.banks[owner].rows(numbers[asked] - self.starts[owner])
        return found


def read_samples(
    banks: Sequence[str],
    ann_file: str,
    vocabulary: Vocabulary,
    visible: Literal["base", "all"],
    min_iou: float,
) -> RegionSamples:
    """Label the regions of feature banks by the annotated boxes they overlap.

    Args:
        banks: Folders; images they lack are left out.
        ann_file: LVIS-style file.
        vocabulary: Its classes.
        visible: Objects of ``base`` or of ``all`` classes count.
        min_iou: Regions that overlap every object less are left out.

    Raises:
        InputError: Broken bank or annotation file, or no region at all.
    """
    hidden = set(vocabulary.novel.nonzero()[0]) if visible == "base" else set()
    source = BankRows(banks)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for record in read_images(ann_file, vocabulary):
        objects = [
            (i["bbox"], i["bbox_label"])
            for i in record["instances"]
            if not i["ignore_flag"] and i["bbox_label"] not in hidden
        ]
        for bank, start in zip(source.banks, source.starts.tolist(), strict=False):
            if objects and record["id"] in bank:
                boxes, first = bank.boxes_of(record["id"])
                parts.append(_label(boxes, start + first, objects, min_iou))
    if not parts:
        raise InputError(
            f"The banks {', '.join(map(str, banks))} have no region of '{ann_file}': extract them "
            "for this file."
        )
    return RegionSamples(source, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def _label(
    bboxes: np.ndarray, first_row: int, objects: list, min_iou: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels and overlaps of the regions of an image that overlap some object."""
    boxes, labels = zip(*objects, strict=True)
    overlaps = pairwise_iou(bboxes, np.array(boxes, np.float32))
    ious = overlaps.max(axis=1).astype(np.float32)
    found = np.array(labels, np.int32)[overlaps.argmax(axis=1)]
    found = np.where(ious >= MIN_FOREGROUND_IOU, found, np.int32(-1))
    kept = (ious >= min_iou).nonzero()[0]
    return first_row + kept, found[kept], ious[kept]


class ReleasedRows:
    """The features of a released file of prompt data, mapped.

    Args:
        path: A ``.pth`` of three tensors: features (R, D), labels (R,), overlaps (R,).

    Raises:
        InputError: Missing, damaged or unsafe file, or one of something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        features, labels, ious = self.tensors
        if not len(features) == len(labels) == len(ious) or features.ndim != 2:
            raise InputError(
                f"'{path}' holds {tuple(features.shape)} features, {tuple(labels.shape)} labels "
                f"and {tuple(ious.shape)} overlaps: expected (R, D), (R,) and (R,)."
            )

    @cached_property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features, labels, overlaps."""
        content = load_checkpoint_file(self.path, map_location="cpu", mapped=True)
        whole = isinstance(content, (tuple, list)) and len(content) == 3
        if not whole or not all(isinstance(part, torch.Tensor) for part in content):
            raise InputError(
                f"'{self.path}' is not a file of prompt data: expected three tensors, features "
                "(R, D), labels (R,) and overlaps (R,)."
            )
        return tuple(content)

    def __getstate__(self) -> dict:
        # Mapped files do not travel to data workers; each maps its own.
        return {"path": self.path}

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Features (n, D), in the type of the file."""
        return self.tensors[0][torch.from_numpy(numbers)].numpy()


def load_samples(path: str | Path, vocabulary: Vocabulary, min_iou: float) -> RegionSamples:
    """Read a released ``train_data.pth`` or ``val_data.pth``; its features stay in the file.

    Args:
        path: The file.
        vocabulary: The classes, whose places its labels are.
        min_iou: Regions that overlap every object less are left out.

    Raises:
        InputError: As for :class:`ReleasedRows`, or labels or overlaps that cannot be.
    """
    source = ReleasedRows(path)
    _, labels, ious = (part.numpy() for part in source.tensors)
    if labels.dtype.kind not in "iu" or not np.isin(labels, range(-1, len(vocabulary))).all():
        raise InputError(
            f"'{path}' has labels that are not places in a vocabulary of {len(vocabulary)} "
            "classes, or -1: use the vocabulary that it was made for."
        )
    if not ((ious >= 0) & (ious <= 1 + 1e-3)).all():
        raise InputError(f"'{path}' has overlaps that are not between 0 and 1: it is damaged.")
    rows = (ious >= min_iou).nonzero()[0]
    return RegionSamples(source, rows, labels[rows].astype(np.int32), ious[rows].astype(np.float32))
