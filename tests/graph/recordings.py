"""Reads the recorded graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tests.recorded import Recorded
from vovtrack.graph.detections import Detections
from vovtrack.graph.levels import Level


def close(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    """Equal within a share of the largest magnitude."""
    theirs = np.asarray(theirs)
    assert np.shape(ours) == theirs.shape
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(largest, 1e-30))


def levels_of(settings: dict[str, Any], **others: Any) -> tuple[Level, ...]:
    """The levels that a case names; motion is where it is not said what upstream has."""
    reach = settings["frames_per_level"]
    lengths = settings.get("motion_max_length", reach[:-1])
    horizons = settings.get("motion_pred_length", reach[:-1])
    pruning = settings.get("pruning", ["geometry", *["motion_005"] * (len(reach) - 1)])
    rows = zip(reach, pruning, (0, *lengths), (0, *horizons), strict=True)
    similarity = settings.get("similarity", "l2")
    k = settings.get("top_k", 10)
    return tuple(
        Level(*row, neighbours=k, similarity=similarity, **others)  # type: ignore[misc]
        for row in rows
    )


def detections_of(arrays: Any, place: str, fps: float) -> Detections:
    """The detections under a name."""
    columns = (arrays[f"{place}/{name}"] for name in ("frame", "bbox", "reid"))
    return Detections.of(*columns, fps, arrays[f"{place}/id"])


class LevelCase:
    """A level of a recorded clip.

    Args:
        arrays: All recorded ones.
        place: Name of the level.
        detections: Of the clip.
        level: Its settings.
    """

    def __init__(self, arrays: Any, place: str, detections: Detections, level: Level) -> None:
        self.arrays, self.place = arrays, place
        self.detections, self.level = detections, level
        self.cluster = torch.from_numpy(self["map"]) if "map" in self else None

    def __contains__(self, name: str) -> bool:
        return f"{self.place}/{name}" in self.arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[f"{self.place}/{name}"]


def level_cases(recorded: Recorded) -> Iterator[LevelCase]:
    """All levels of all recorded clips that have pairs."""
    arrays, meta = recorded.arrays("graph.npz"), recorded.meta("graph.npz")
    for name, settings in meta.items():
        detections = detections_of(arrays, name, settings["fps"])
        for number, level in enumerate(levels_of(settings)):
            case = LevelCase(arrays, f"{name}/L{number}", detections, level)
            if "pairs" in case and settings["levels"][str(number)].get("nodes"):
                yield case
