"""Tracking of single objects among others that look like them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.registry import TASK_UTILS
from vovtrack.sot.followed import LearnedTarget, Sight
from vovtrack.sot.identities import WITHOUT_DOUBT, Identities, IdentitySettings
from vovtrack.sot.localization import Flag, Place
from vovtrack.sot.models.candidate_matcher import Candidates, Matches
from vovtrack.sot.models.keep_track import KeepTrack, candidate_points
from vovtrack.sot.online import DiMPTracker
from vovtrack.sot.online_filter import OnlineFilter
from vovtrack.sot.search_area import SearchArea, Window
from vovtrack.sot.widening import ScaleHistory, WideningSettings


@dataclass(frozen=True)
class CandidateSettings:
    """What is a candidate, and when the network need not be asked who it is.

    Attributes:
        threshold: Peaks of the scores above it are candidates.
        sure: A candidate that is alone in two frames is the same if both scores are above it.
        first_frames: Where identities begin in one of so many frames, the first being that in which
            the target is marked, the best candidate is the target without doubt.
        legacy_size_order: Give the matching network the frame's width for its height, as the
            released tracker does, though its training did not.
    """

    threshold: float = 0.05
    sure: float = 0.5
    first_frames: int = 9
    legacy_size_order: bool = True


@dataclass(frozen=True)
class Peaks:
    """What could be taken for a target in a frame, highest score first.

    Attributes:
        cells: (N, 2) rows and columns in the scores.
        scores: (N,) of the filter.
        candidates: What the network tells them by, of one frame.
    """

    cells: NDArray[np.int64]
    scores: NDArray[np.float64]
    candidates: Candidates


@dataclass
class TargetAmongOthers(LearnedTarget):
    """A target, and all that could be taken for it.

    Attributes:
        scales: Of its search areas.
        peaks: Of the last frame; None if there were none.
        matches: With those of the frame before; None if these could not be compared.
        identities: Of the last peaks that there were; None before the first.
    """

    filter: OnlineFilter
    scales: ScaleHistory = field(kw_only=True)
    peaks: Peaks | None = None
    matches: Matches | None = None
    identities: Identities | None = None

    def certainty(self, scores: NDArray[np.float32]) -> float:
        """How certain scores (H, W) are; more so as long as nothing else was taken for it."""
        best = max(float(scores.max()), 0.0)
        doubted = self.identities is not None and self.identities.target != WITHOUT_DOUBT
        return best if doubted else max(best, math.sqrt(best))


@TASK_UTILS.register_module()
class KeepTrackTracker(DiMPTracker):
    """DiMP that keeps track of everything that looks like its target.

    KeepTrack (Mayer et al., ICCV 2021, arXiv:2103.16556, sections 3.6 and 3.7): peaks of the scores
    are matched over frames, the target is the peak with its identity, and samples count as much as
    it is certain that they show the target. Where a frame or the one before has no peaks, the two
    highest values decide as in :class:`DiMPTracker`, and identities begin anew.

    A track's score is how certain it is that its box shows the target, and 0 where it is lost. A
    lost target is looked for at a larger scale.

    Args:
        model: In evaluation mode.
        candidates: Of :class:`CandidateSettings`.
        identities: Of :class:`IdentitySettings`.
        widening: Of :class:`WideningSettings`.
        **settings: Of :class:`DiMPTracker`.
    """

    model: KeepTrack

    def __init__(
        self,
        model: KeepTrack,
        candidates: Mapping[str, Any] | None = None,
        identities: Mapping[str, Any] | None = None,
        widening: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        self.candidates = CandidateSettings(**candidates or {})
        self.identities = IdentitySettings(**identities or {})
        self.widening = WideningSettings(**widening or {})
        for name in ("candidates", "identities", "widening"):
            self.settings[name] = asdict(getattr(self, name))

    @property
    def draw_threshold(self) -> float:  # type: ignore[override]  # that of candidates
        """Score below which a target is not found; no candidate has one."""
        return self.candidates.threshold

    def _begin(self, image: Tensor, track_id: int, box: NDArray[np.float32]) -> TargetAmongOthers:
        target = super()._begin(image, track_id, box)
        return TargetAmongOthers(**vars(target), scales=ScaleHistory(self.widening))

    def _look(
        self, target: LearnedTarget, window: Window, scores: NDArray[np.float32], coarse: Tensor
    ) -> Sight:
        assert isinstance(target, TargetAmongOthers)
        placement, sight = target.placement, super()._look(target, window, scores, coarse)
        place = self._compare(target, self._find(sight.area, scores, coarse), sight)
        found = place.flag is not Flag.NOT_FOUND
        placement.widened = target.scales.next_scale(placement.scale, found)
        return replace(sight, place=place, certainty=target.certainty(scores))

    def _update(self, target: LearnedTarget, feat: Tensor, hard_negative: bool) -> int:
        assert isinstance(target, TargetAmongOthers) and target.sight is not None
        certainty = target.sight.certainty
        return target.filter.update(
            feat, self._box_of(target), target.age, hard_negative, certainty
        )

    def _find(self, area: SearchArea, scores: NDArray[np.float32], coarse: Tensor) -> Peaks | None:
        """What could be taken for the target; None if there is nothing."""
        net = self.model.candidates
        cells, found = net.find(torch.from_numpy(scores), self.candidates.threshold)
        if not len(cells):
            return None
        shape = (scores.shape[0], scores.shape[1])
        points = candidate_points(cells, shape, torch.from_numpy(area.box).float())
        candidates = Candidates(
            descriptors=net.describe(coarse[None], cells.to(self._device)[None]),
            points=points.to(self._device)[None],
            scores=found.to(self._device)[None],
        )
        return Peaks(cells.numpy(), found.double().numpy(), candidates)

    def _compare(self, target: TargetAmongOthers, peaks: Peaks | None, sight: Sight) -> Place:
        """Tell the target from what else there is; the place that was seen if that cannot be."""
        before, target.peaks, target.matches = target.peaks, peaks, None
        if peaks is None:
            return sight.place
        if before is None:
            certain = target.age < self.candidates.first_frames
            target.identities = Identities.begin(peaks.scores, certain)
            return sight.place
        assert target.identities is not None
        target.matches = self._match(before, peaks)
        target.identities = target.identities.follow(
            peaks.scores, target.matches.partner, target.matches.probability, self.identities
        )
        selected = target.identities.selected
        if selected is None:
            return Place(np.zeros(2), Flag.NOT_FOUND)
        middle = (np.array(sight.scores.shape) - 1) / 2
        return Place((peaks.cells[selected] - middle) * self._cell(sight.area), Flag.NORMAL)

    def _match(self, before: Peaks, now: Peaks) -> Matches:
        """The partners in the frame before, (N,); without the network if there is no doubt."""
        if all(len(p.scores) == 1 and p.scores[0] > self.candidates.sure for p in (before, now)):
            return Matches(np.zeros(1, np.int64), np.ones(1, np.float32))
        assert self._size is not None
        width, height = self._size
        size = (width, height) if self.candidates.legacy_size_order else (height, width)
        matcher = self.model.candidates.matcher
        _, matches = matcher.match(matcher(before.candidates, now.candidates, size))
        return Matches(matches.partner[0], matches.probability[0])
