"""What a tracker remembers: one row per living track, in order of birth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TrackMemory:
    """Columnar memory of living tracks.

    Rows are in order of birth, so that ties between tracks resolve to the oldest. The memory
    holds one template per track and not its history: its size is bounded by the number of tracks
    seen in the last ``memo_frames`` frames.

    Args:
        fields: What is remembered of each track, for example ``("bboxes",)``; ``memory[field]`` is
            the column of all tracks, (K, ...).
        memo_frames: A track not seen for this many frames is forgotten.
        update_rates: Of the fields that change slowly, the weight of the new value in the running
            mean; all others are replaced.
    """

    def __init__(
        self,
        fields: Sequence[str],
        memo_frames: int,
        update_rates: Mapping[str, float] | None = None,
    ) -> None:
        self.fields = tuple(fields)
        self.memo_frames = memo_frames
        self.update_rates = dict(update_rates or {})
        self.reset()

    def reset(self) -> None:
        """Forget everything; ids start at 0 again."""
        self.num_issued = 0
        self.ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.last_frames: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, field: str) -> NDArray[Any]:
        return self.columns[field]

    def issue_ids(self, count: int) -> NDArray[np.int64]:
        """Hand out ``count`` new consecutive track ids, (count,) int64."""
        ids = np.arange(self.num_issued, self.num_issued + count)
        self.num_issued += count
        return ids

    def update(self, rows: NDArray[np.int64], frame_id: int, **columns: NDArray[Any]) -> None:
        """Refresh the tracks in ``rows``: templates move, everything else is replaced.

        Args:
            rows: (K,) memory rows, each at most once.
            frame_id: Current frame.
            **columns: New values (K, ...) of the fields.
        """
        if len(rows) == 0:
            return
        for field, value in columns.items():
            rate = self.update_rates.get(field)
            if rate is not None:
                value = (1 - rate) * self.columns[field][rows] + rate * value
            self.columns[field][rows] = value
        self.last_frames[rows] = frame_id

    def append(self, ids: NDArray[np.int64], frame_id: int, **columns: NDArray[Any]) -> None:
        """Add new tracks (K,) with the first values (K, ...) of every field."""
        if len(ids) == 0:
            return
        self.ids = np.concatenate([self.ids, ids])
        self.last_frames = np.concatenate([self.last_frames, np.full_like(ids, frame_id)])
        for field in self.fields:
            known, value = self.columns.get(field), columns[field]
            self.columns[field] = value.copy() if known is None else np.concatenate([known, value])

    def forget(self, frame_id: int) -> None:
        """Drop the tracks that were last seen ``memo_frames`` or more frames ago."""
        keep = frame_id - self.last_frames < self.memo_frames
        if keep.all():
            return
        self.ids, self.last_frames = self.ids[keep], self.last_frames[keep]
        self.columns = {name: value[keep] for name, value in self.columns.items()}
