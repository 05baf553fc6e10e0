"""One target that is followed: where it is, what was learned of it, and what was last seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.sot.first_views import Draw
from vovtrack.sot.localization import Flag, Place
from vovtrack.sot.models.iou_net import Pair
from vovtrack.sot.sample_memory import SampleMemory
from vovtrack.sot.search_area import SearchArea, Window

OUTSIDE = 0.3
"""Share of its size that the centre of a target may lie outside of the frame by."""


@dataclass
class Sight:
    """What was seen of a target in a frame.

    Attributes:
        window: What was cut out of the frame.
        area: Where its pixels lie.
        scores: (H, W) of the filter.
        place: Where they say that the target is.
        proposals: (K, 4) boxes (x, y, w, h) in the area before refinement; None if not found.
        refined: (K, 4) the same boxes after it.
        overlap: (K,) how well they fit, foretold before the last step.
        steps: Of the filter's optimiser.
        certainty: That it is the target; None if nothing but the scores tells it.
    """

    window: Window
    area: SearchArea
    scores: NDArray[np.float32]
    place: Place
    proposals: Tensor | None = None
    refined: Tensor | None = None
    overlap: Tensor | None = None
    steps: int = 0
    certainty: float | None = None

    @property
    def score(self) -> float:
        """The highest of the scores; or the certainty, 0 where it is not found; from 0 to 1."""
        if self.certainty is None:
            best = float(self.scores.max())
        else:
            best = 0.0 if self.place.flag is Flag.NOT_FOUND else self.certainty
        return min(max(best, 0.0), 1.0)


class Placement:
    """Where a target is in the frame.

    Args:
        box: (4,) (x1, y1, x2, y2) in pixels of the frame.
        root: Of the target's area in a search area, in pixels.

    Attributes:
        position: (2,) row and column of the centre, counted from the middle of the first pixel.
        size: (2,) height and width.
        base: (2,) height and width of the box in a search area that is cut around it.
        widened: What :attr:`scale` is while the target is lost; None to let its size say.
    """

    def __init__(self, box: NDArray[np.floating], root: float) -> None:
        corners = box.astype(np.float64)
        self.size = (corners[2:] - corners[:2])[::-1]
        self.position = corners[1::-1] + (self.size - 1) / 2
        self.base = self.size * root / math.sqrt(self.size.prod())
        self.widened: float | None = None

    @property
    def scale(self) -> float:
        """Pixels of the frame for each of the search area that is to be cut."""
        if self.widened is not None:
            return self.widened
        return math.sqrt(self.size.prod() / self.base.prod())

    @property
    def box(self) -> NDArray[np.float32]:
        """(4,) (x1, y1, x2, y2) in pixels of the frame."""
        start = self.position - (self.size - 1) / 2
        return np.concatenate([start[::-1], (start + self.size)[::-1]]).astype(np.float32)

    def move(self, position: NDArray[np.float64], frame: tuple[int, int]) -> None:
        """Move the centre, not far out of a frame (H, W)."""
        reach = OUTSIDE * self.size
        self.position = np.clip(position, -reach, np.array(frame) + reach)


@dataclass
class Followed:
    """A target.

    Attributes:
        track_id: Its id.
        placement: Where it was last found.
        age: Frames since the first.
        sight: What was seen of it in the last frame; None after the first.
    """

    track_id: int
    placement: Placement
    age: int = field(default=0, kw_only=True)
    sight: Sight | None = field(default=None, kw_only=True)

    @property
    def seen_box(self) -> NDArray[np.float64]:
        """(4,) the box (x, y, w, h) in the search area that was last seen."""
        assert self.sight is not None
        return self.sight.area.box_of(self.placement.position, self.placement.size)


class TargetFilter(Protocol):
    """The filter of one target, and the samples it is learned from.

    Attributes:
        weights: (1, C, k, k).
        memory: Which samples are remembered, and how much each counts.
    """

    weights: Tensor
    memory: SampleMemory

    def update(self, feat: Tensor, box: Tensor, age: int, hard_negative: bool) -> int:
        """Remember a sample, and learn if it is time to.

        Args:
            feat: (C, H, W) features of the search area.
            box: (4,) box (x, y, w, h) of the target in it, in pixels.
            age: Frames since the first.
            hard_negative: Whether something else looks like the target.

        Returns:
            Steps that the optimiser took.
        """


@dataclass
class LearnedTarget(Followed):
    """A target of which a filter is learned, and whose box is fitted.

    Attributes:
        filter: Tells it from its surroundings.
        modulation: What the network that fits boxes looks for.
        draw: Its own draws.
    """

    filter: TargetFilter
    modulation: Pair
    draw: Draw
