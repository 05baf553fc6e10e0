"""Where a target is in a map of scores, and whether to believe it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


class Flag(str, Enum):
    """What is thought of a place.

    Attributes:
        NORMAL: The target is there.
        NOT_FOUND: No score is high enough.
        UNCERTAIN: Two places score alike, and neither is the likelier.
        HARD_NEGATIVE: The target is there, and something that looks like it is elsewhere.
    """

    NORMAL = "normal"
    NOT_FOUND = "not_found"
    UNCERTAIN = "uncertain"
    HARD_NEGATIVE = "hard_negative"


@dataclass(frozen=True)
class LocalizationSettings:
    """When to believe a peak.

    Attributes:
        not_found: Lower peaks are not the target.
        distractor: Share of the highest score from which on another is as good.
        hard_negative: Share from which on another is to be learned from.
        neighbourhood: Side around a peak in which there is no other, in sizes of the target.
        displacement: How far the target moves at most, as a share of half a side of the map.
    """

    not_found: float = 0.25
    distractor: float = 0.8
    hard_negative: float = 0.5
    neighbourhood: float = 2.2
    displacement: float = 0.8


@dataclass(frozen=True)
class Sample:
    """The search area that scores are of, and what was there.

    Attributes:
        position: (2,) row and column of the target in the frame before, in image pixels.
        target: (2,) its height and width.
        centre: (2,) of the search area.
        cell: Side of a cell of the scores, in image pixels.
        offset: Cells from the middle of the scores to that centre: 1/2 for scores of an even filter
            that lack the last row and column.
    """

    position: NDArray[np.float64]
    target: NDArray[np.float64]
    centre: NDArray[np.float64]
    cell: float
    offset: float = 0.0


@dataclass(frozen=True)
class Place:
    """A place in a map of scores.

    Attributes:
        translation: (2,) rows and columns from the centre of the search area, in image pixels.
        flag: What is thought of it.
    """

    translation: NDArray[np.float64]
    flag: Flag


def peak_of(scores: NDArray[np.floating]) -> tuple[float, NDArray[np.int64]]:
    """The highest score of a map (H, W), and its row and column.

    Of equal ones it is that of the first column, and there of the first row.
    """
    column, row = np.unravel_index(scores.T.argmax(), scores.T.shape)
    return float(scores[row, column]), np.array([row, column])


def local_maxima(scores: Tensor, window: int, threshold: float) -> tuple[Tensor, Tensor]:
    """The cells above a threshold that nothing in a window around them exceeds.

    Args:
        scores: (H, W).
        window: Cells along each side, an odd number.
        threshold: Exclusive.

    Returns:
        Rows and columns (n, 2) and scores (n,), highest first; all cells of a plateau.
    """
    highest = F.max_pool2d(scores[None], window, stride=1, padding=window // 2)[0]
    cells = ((scores == highest) & (scores > threshold)).nonzero()
    found, order = scores[cells[:, 0], cells[:, 1]].sort(descending=True, stable=True)
    return cells[order], found


def localize(scores: NDArray[np.floating], sample: Sample, settings: LocalizationSettings) -> Place:
    """Choose a place by the two highest peaks.

    Where something else scores nearly as high, what is near the last position wins; see DiMP,
    arXiv:1904.07220, section 4.4.

    Args:
        scores: (H, W).
        sample: What they are of.
        settings: When to believe a peak.
    """
    middle = (np.array(scores.shape) - 1) / 2 + sample.offset
    first, at = peak_of(scores)
    here = (at - middle) * sample.cell
    if first < settings.not_found:
        return Place(here, Flag.NOT_FOUND)
    second, beside = peak_of(_without(scores, at, sample, settings))
    if second > settings.distractor * first:
        there = (beside - middle) * sample.cell
        last = sample.position - sample.centre
        reach = settings.displacement * math.sqrt(scores.size) / 2 * sample.cell
        here_is_near, there_is_near = (np.linalg.norm(p - last) < reach for p in (here, there))
        if here_is_near == there_is_near:
            return Place(here, Flag.UNCERTAIN)
        return Place(here if here_is_near else there, Flag.HARD_NEGATIVE)
    if second > settings.hard_negative * first and second > settings.not_found:
        return Place(here, Flag.HARD_NEGATIVE)
    return Place(here, Flag.NORMAL)


def _without(
    scores: NDArray[np.floating],
    cell: NDArray[np.int64],
    sample: Sample,
    settings: LocalizationSettings,
) -> NDArray[np.floating]:
    """Scores, 0 around a cell."""
    half = settings.neighbourhood * sample.target / sample.cell / 2
    start = np.rint(cell - half).astype(int).clip(0)
    end = np.rint(cell + half + 1).astype(int)
    left = scores.copy()
    left[start[0] : end[0], start[1] : end[1]] = 0
    return left
