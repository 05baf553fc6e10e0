"""Regions with CLIP features, labels and overlaps: the training data of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from detpro.features.bank import RegionFeatureBank
from detpro.prompts.losses import class_weights
from vovtrack.errors import InputError
from vovtrack.formats.coco import read_images
from vovtrack.ops.boxes import pairwise_iou
from vovtrack.registry import DATASETS
from vovtrack.structures import Vocabulary

MIN_FOREGROUND_IOU = 0.5
"""A region that overlaps no object by this much has no label."""


@dataclass(frozen=True)
class RegionSamples:
    """Regions of many images.

    Attributes:
        features: (R, D) float16 unit CLIP embeddings.
        labels: (R,) int64 label of the object a region overlaps most, -1 below an IoU of 0.5.
        ious: (R,) float32 the largest overlap with a visible object.
    """

    features: np.ndarray
    labels: np.ndarray
    ious: np.ndarray


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
    opened = [RegionFeatureBank(folder) for folder in banks]
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for record in read_images(ann_file, vocabulary):
        objects = [
            (i["bbox"], i["bbox_label"])
            for i in record["instances"]
            if not i["ignore_flag"] and i["bbox_label"] not in hidden
        ]
        for bank in opened:
            if objects and record["id"] in bank:
                parts.append(_label(*bank.of(record["id"]), objects, min_iou))
    if not parts:
        raise InputError(
            f"The banks {', '.join(map(str, banks))} have no region of '{ann_file}': extract them "
            "for this file."
        )
    return RegionSamples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _label(
    bboxes: np.ndarray, features: np.ndarray, objects: list, min_iou: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, labels = zip(*objects, strict=True)
    overlaps = pairwise_iou(bboxes, np.array(boxes, np.float32))
    ious = overlaps.max(axis=1).astype(np.float32)
    found = np.array(labels)[overlaps.argmax(axis=1)]
    found = np.where(ious >= MIN_FOREGROUND_IOU, found, -1)
    keep = ious >= min_iou
    return features[keep], found[keep], ious[keep]


def bin_rows(
    labels: np.ndarray,
    ious: np.ndarray,
    base: np.ndarray,
    iou_range: tuple[float, float],
    negative_range: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of base classes inside an IoU bin, and rows that may serve as background.

    A background row lies below the bin and inside ``negative_range``. Bounds count as float32,
    the lower one belongs to the bin (DetPro, section 3.4).

    Args:
        labels: (R,) -1 for none.
        ious: (R,) float32.
        base: (B,) labels of the base classes.
        iou_range: The bin.
        negative_range: Overlaps of background rows.

    Returns:
        Indices of base rows and of background candidates, ascending.
    """
    ious = ious.astype(np.float32)
    low, high = np.float32(iou_range)
    least, most = np.float32(negative_range)
    inside = (ious >= low) & (ious < high) & np.isin(labels, base)
    background = (ious < low) & (ious >= least) & (ious < most)
    return inside.nonzero()[0], background.nonzero()[0]


@DATASETS.register_module()
class RegionEmbeddingDataset(Dataset):
    """Region features of one IoU bin, and a share of the background.

    Args:
        ann_file: LVIS-style file.
        banks: Feature banks of its images: of proposals, of annotated boxes.
        visible: ``base`` for training; ``all`` keeps every labelled region under its label in the
            whole vocabulary and all background, for validation.
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.
        iou_range: The bin, lower bound included; None takes all labelled regions.
        negative_range: Overlaps of background regions.
        negative_share: Part of them that is drawn, once; 0 has no background.
        min_iou: Regions that overlap every object less are left out.
        seed: Of the draw.

    Raises:
        InputError: Broken input, or a bin without regions of base classes or background.
    """

    def __init__(
        self,
        ann_file: str,
        banks: Sequence[str],
        visible: Literal["base", "all"] = "base",
        vocabulary: str | None = None,
        iou_range: tuple[float, float] | None = (0.5, 1.1),
        negative_range: tuple[float, float] = (0.1, 0.5),
        negative_share: float = 0.1,
        min_iou: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.vocabulary = Vocabulary.load(vocabulary or ann_file)
        self.metainfo = dict(classes=self.vocabulary.names)
        samples = read_samples(banks, ann_file, self.vocabulary, visible, min_iou)
        base = (~self.vocabulary.novel).nonzero()[0]
        if visible == "all":
            self.features, self.labels = samples.features, samples.labels
            return
        rows, candidates = bin_rows(
            samples.labels, samples.ious, base, iou_range or (0.0, 2.0), negative_range
        )
        count = int(len(candidates) * negative_share)
        if not len(rows) or (negative_share and not count):
            raise InputError(
                f"'{ann_file}': the IoU bin {iou_range} holds {len(rows)} regions of base classes "
                f"and {count} of background, but needs both: add banks or widen the bin."
            )
        drawn = np.random.default_rng(seed).permutation(candidates)[:count]
        self.features = np.concatenate([samples.features[rows], samples.features[drawn]])
        found = np.searchsorted(base, samples.labels[rows])
        self.labels = np.concatenate([found, np.full(count, len(base))])
        self.class_weights = class_weights(torch.from_numpy(self.labels), len(base))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        features = torch.from_numpy(self.features[index].astype(np.float32))
        return dict(inputs=features, labels=torch.tensor(self.labels[index]))
