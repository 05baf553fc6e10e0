"""What trackers share that link detections by embeddings to the templates of living tracks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from mmengine.structures import InstanceData
from numpy.typing import NDArray

from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers.memory import TrackMemory

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Detections of one frame: one array for each field, rows in the same order."""

UNLINKED = -1
"""Instead of a track: the detection belongs to none."""
SUPPRESSED = -2
"""Instead of a track: the detection repeats a track and is forgotten."""


class AppearanceTracker(ABC):
    """A frame's way through a tracker: choose candidates, match, give ids, remember.

    Args:
        fields: What is compared, the embeddings first; given with detections and remembered.
        remembered: What else is remembered of a track.
        memo_frames: A track not seen for this many frames is forgotten.
        momentum: Weight of the *new* embedding in a track's template.
        thresholds: Score thresholds by their name in :class:`ScoreThresholds`; None takes what the
            detector says of its scores (:meth:`set_thresholds`).
    """

    def __init__(
        self,
        fields: Sequence[str],
        remembered: Sequence[str],
        memo_frames: int,
        momentum: float,
        thresholds: Mapping[str, float | None],
    ) -> None:
        self.fields = tuple(fields)
        self.memory = TrackMemory((*fields, *remembered), memo_frames, {fields[0]: momentum})
        self._own_thresholds = {k: v for k, v in thresholds.items() if v is not None}
        self.set_thresholds(ScoreThresholds())

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""
        self.memory.reset()

    def set_thresholds(self, thresholds: ScoreThresholds) -> None:
        """Take from the detector the score thresholds that the config leaves open."""
        self.thresholds = thresholds._replace(**self._own_thresholds)

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        Args:
            instances: ``bboxes`` (n, 4) in any one pixel frame, ``scores`` (n,) descending,
                ``labels`` (n,) and ``fields`` (n, D).
            frame_id: Frame index inside the video, never decreasing; gaps are allowed.

        Returns:
            The candidates among them with ``instances_id`` (k,): track ids, negative for detections
            without a track. CPU tensors.
        """
        found = self.link(instances, frame_id)
        return InstanceData(**{name: torch.from_numpy(value) for name, value in found.items()})

    def link(self, instances: InstanceData, frame_id: int) -> Columns:
        """What :meth:`update` returns, as arrays in the order of :meth:`candidates`."""
        found = {name: value.numpy(force=True) for name, value in instances.items()}
        rows = self.candidates(found)
        found = {name: value[rows] for name, value in found.items()}
        if len(self.memory) and len(found["scores"]):
            tracks = self.match(found)
        else:
            tracks = np.full(len(found["scores"]), UNLINKED)
        found["instances_id"] = self._assign_ids(found, tracks, frame_id)
        self.memory.forget(frame_id)
        return found

    @abstractmethod
    def candidates(self, found: Columns) -> NDArray[np.int64] | NDArray[np.bool_]:
        """The detections that take part: a mask (n,), or their rows in the order of matching."""

    @abstractmethod
    def match(self, found: Columns) -> NDArray[np.int64]:
        """Memory row of each candidate, (n,); ``UNLINKED`` or ``SUPPRESSED`` for those without.

        Neither the memory nor ``found`` is empty.
        """

    def _assign_ids(
        self, found: Columns, rows: NDArray[np.int64], frame_id: int
    ) -> NDArray[np.int64]:
        memory = self.memory
        matched = rows >= 0
        born = (rows == UNLINKED) & (found["scores"] > self.thresholds.init)
        ids = rows.copy()
        ids[matched] = memory.ids[rows[matched]]
        ids[born] = memory.issue_ids(int(born.sum()))
        columns = {name: found[name] for name in memory.fields}
        memory.update(rows[matched], frame_id, **{k: v[matched] for k, v in columns.items()})
        memory.append(ids[born], frame_id, **{k: v[born] for k, v in columns.items()})
        return ids
