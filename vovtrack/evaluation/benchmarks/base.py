"""The contract of a benchmark: files in, counted rows out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vovtrack.evaluation.scores.statistics import Scores, Statistics


class Source(Protocol):
    """Ground truth and predictions of a benchmark, opened and checked.

    Attributes:
        videos: V names of the videos (sequences), in the order in which they are counted.
        sizes: (V,) number of boxes, points or masks of each video, to share out the work.
        families: Names of the metric families that :meth:`count` fills.
        protocol: JSON-ready facts that decide the numbers: file hashes, class mask, split,
            thresholds.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count videos ``first`` to ``last - 1``: {family: rows}.

        ``Statistics.videos`` holds just these videos. Counting two ranges and joining them gives
        bit-identical results to counting the whole range.
        """
        ...


@runtime_checkable
class WholeSource(Protocol):
    """Ground truth and predictions that are not counted by video, but scored all at once.

    Attributes:
        protocol: As of :class:`Source`.
    """

    protocol: dict[str, Any]

    def scores(self) -> Scores:
        """Score everything."""
        ...


def provenance(gt: Path, pred: Path, digest: Callable[[Path], str]) -> dict[str, str]:
    """What a protocol says of the files: their paths and what ``digest`` makes of them."""
    return {
        "annotations": str(gt),
        "annotations_sha256": digest(gt),
        "predictions": str(pred),
        "predictions_sha256": digest(pred),
    }
