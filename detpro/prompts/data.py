"""Regions with CLIP features, labels and overlaps: the training data of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from detpro.prompts.losses import class_weights
from detpro.prompts.samples import load_samples, read_samples
from vovtrack.errors import InputError
from vovtrack.registry import DATASETS
from vovtrack.structures import Vocabulary


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
    low, high = map(np.float32, iou_range)
    least, most = map(np.float32, negative_range)
    inside = (ious >= low) & (ious < high) & np.isin(labels, base)
    background = (ious < low) & (ious >= least) & (ious < most)
    return inside.nonzero()[0], background.nonzero()[0]


@DATASETS.register_module()
class RegionEmbeddingDataset(Dataset):
    """Region features of one IoU bin, and a share of the background.

    Features stay on disk: a batch reads its rows.

    Args:
        ann_file: LVIS-style file.
        banks: Feature banks of its images: of proposals, of annotated boxes.
        data_file: A released ``train_data.pth`` or ``val_data.pth`` instead of both, whose labels
            are places in ``vocabulary``.
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
        ann_file: str | None = None,
        banks: Sequence[str] = (),
        data_file: str | None = None,
        visible: Literal["base", "all"] = "base",
        vocabulary: str | None = None,
        iou_range: tuple[float, float] | None = (0.5, 1.1),
        negative_range: tuple[float, float] = (0.1, 0.5),
        negative_share: float = 0.1,
        min_iou: float = 0.1,
        seed: int = 0,
    ) -> None:
        named = vocabulary or ann_file
        if named is None or not (data_file or (ann_file and banks)):
            raise InputError(
                "RegionEmbeddingDataset needs ann_file and banks, or data_file and vocabulary."
            )
        self.vocabulary = Vocabulary.load(named)
        self.metainfo = dict(classes=self.vocabulary.names)
        if data_file:
            samples = load_samples(data_file, self.vocabulary, min_iou)
        elif ann_file:
            samples = read_samples(banks, ann_file, self.vocabulary, visible, min_iou)
        self.source = samples.source
        if visible == "all":
            self.rows, self.labels = samples.rows, samples.labels.astype(np.int64)
            return
        base = (~self.vocabulary.novel).nonzero()[0]
        chosen, candidates = bin_rows(
            samples.labels, samples.ious, base, iou_range or (0.0, 2.0), negative_range
        )
        count = int(len(candidates) * negative_share)
        if not len(chosen) or (negative_share and not count):
            raise InputError(
                f"'{data_file or ann_file}': the IoU bin {iou_range} holds {len(chosen)} regions "
                f"of base classes and {count} of background, but needs both: add banks or widen "
                "the bin."
            )
        drawn = np.random.default_rng(seed).permutation(candidates)[:count]
        self.rows = samples.rows[np.concatenate([chosen, drawn])]
        found = np.searchsorted(base, samples.labels[chosen])
        self.labels = np.concatenate([found, np.full(count, len(base))])
        self.class_weights = class_weights(torch.from_numpy(self.labels), len(base))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        """Samples of a batch, whose features are read together."""
        features = torch.from_numpy(self.source.rows(self.rows[indices]).astype(np.float32))
        labels = torch.from_numpy(self.labels[indices])
        return [dict(inputs=f, labels=n) for f, n in zip(features, labels, strict=True)]
