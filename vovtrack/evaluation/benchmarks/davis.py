"""DAVIS: J and F of segmented objects, semi-supervised and unsupervised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.masks import DAVIS, count_video, empty_columns
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.davis import VOID, MaskSequences
from vovtrack.formats.faults import InputFaults

TASKS = ("semi-supervised", "unsupervised")


@dataclass(frozen=True)
class DavisSource:
    """Opened masks, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        gt: Ground truth.
        dt: Predictions.
        unsupervised: Objects are assigned, not given.
        max_proposals: Most predicted objects per sequence where they are assigned.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    gt: MaskSequences
    dt: MaskSequences
    unsupervised: bool
    max_proposals: int

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count sequences ``first`` to ``last - 1``; only one is in memory at a time."""
        names = self.videos[first:last]
        rows = []
        for name in names:
            columns = count_video(*self._objects(name), unsupervised=self.unsupervised)
            rows.append((np.zeros(len(columns["objects"]), dtype=np.int64), columns))
        table = from_videos(DAVIS.name, names, ("object",), None, rows, empty_columns())
        return {DAVIS.name: table}

    def _objects(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Masks (N, T, H, W) of the true and (M, T, H, W) of the predicted objects."""
        frames = self.gt.frames(name)
        truth = np.stack([self.gt.read(name, frame) for frame in frames])
        found = np.stack(
            [self._read(name, frame, mask) for frame, mask in zip(frames, truth, strict=True)]
        )
        numbers = [n for n in np.unique(truth) if n not in (0, VOID)]
        if self.unsupervised:
            found = np.where(truth == VOID, 0, found)
            proposals = [n for n in np.unique(found) if n != 0][: self.max_proposals]
        else:
            self._check_numbers(name, found, numbers)
            proposals = numbers
        return _split(truth, numbers), _split(found, proposals)

    def _read(self, name: str, frame: str, truth: np.ndarray) -> np.ndarray:
        mask = self.dt.read(name, frame)
        if mask.shape != truth.shape:
            raise InputError(
                f"{self.dt.path}: '{name}/{frame}.png' has {mask.shape[1]}x{mask.shape[0]} "
                f"pixels, its ground truth {truth.shape[1]}x{truth.shape[0]}."
            )
        return mask

    def _check_numbers(self, name: str, found: np.ndarray, numbers: list[int]) -> None:
        unknown = [n for n in np.unique(found) if n not in (0, VOID, *numbers)]
        if unknown:
            raise InputError(
                f"{self.dt.path}: '{name}' has object {unknown[0]}; the ground truth has "
                f"{', '.join(map(str, numbers))}."
            )


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    task: str = "semi-supervised",
    resolution: str = "480p",
    max_proposals: int = 20,
) -> DavisSource:
    """Open ground truth and predicted masks.

    Args:
        gt: DAVIS folder, or folder or ``.zip`` of ``<sequence>/<frame>.png``.
        pred: Folder or ``.zip`` of ``<sequence>/<frame>.png``.
        problems: What happens to sequences that only one side has.
        task: ``semi-supervised`` or ``unsupervised``.
        resolution: Folder below ``Annotations`` of a DAVIS folder.
        max_proposals: Most predicted objects per sequence in the unsupervised task.

    Raises:
        InputError: Unusable files, an unknown task, or a sequence whose frames are missing.
    """
    one_of("task", task, TASKS)
    truth, found = MaskSequences(gt, resolution), MaskSequences(pred, resolution)
    for name in sorted(set(found.names()) - set(truth.names())):
        problems.report(pred, name, "the ground truth has no such sequence")
    for name in sorted(set(truth.names()) - set(found.names())):
        problems.report(pred, name, "the masks of this sequence are missing")
    names = tuple(name for name in truth.names() if name in found.names())
    if not names:
        raise InputError(f"{pred}: has no sequence of {gt}.")
    for name in names:
        missing = sorted(set(truth.frames(name)) - set(found.frames(name)))
        if missing:
            raise InputError(f"{pred}: '{name}' lacks {len(missing)} frames, first {missing[0]}.")
    return DavisSource(
        videos=names,
        sizes=np.array([len(truth.frames(name)) for name in names]),
        families=(DAVIS.name,),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(names),
            "task": task,
        },
        gt=truth,
        dt=found,
        unsupervised=task == "unsupervised",
        max_proposals=int(max_proposals),
    )


def _split(masks: np.ndarray, numbers: list[int]) -> np.ndarray:
    """One mask per object: (T, H, W) numbers to (N, T, H, W) bool."""
    chosen = np.array(numbers, dtype=masks.dtype).reshape(-1, 1, 1, 1)
    return masks[None] == chosen
