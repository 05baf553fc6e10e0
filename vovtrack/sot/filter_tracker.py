"""Trackers that learn a filter of each target, and fit its box by a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.sot.box_choice import RefinementSettings, choose_box, propose_boxes
from vovtrack.sot.box_tracker import BoxTracker, image_shape
from vovtrack.sot.first_views import Draw, ViewSettings, drop_channels, make_views
from vovtrack.sot.followed import LearnedTarget, Placement, Sight, TargetFilter
from vovtrack.sot.localization import Flag
from vovtrack.sot.models.atom import ATOM
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.iou_net import Pair, Refinement
from vovtrack.sot.models.nearby import refine_nearby
from vovtrack.sot.search_area import Window

N = TypeVar("N", bound=DiMP | ATOM)


class FilterTracker(BoxTracker[N, LearnedTarget], Generic[N]):
    """Finds targets by filters that are learned online, and fits their boxes.

    Args:
        model: In evaluation mode.
        views: Of :class:`ViewSettings`.
        refinement: Of :class:`RefinementSettings`.
        seed: Of the draws; those of a target depend on its id besides, and on nothing else.
        **search: Of :class:`BoxTracker`.
    """

    def __init__(
        self,
        model: N,
        views: Mapping[str, Any] | None = None,
        refinement: Mapping[str, Any] | None = None,
        seed: int = 0,
        **search: Any,
    ) -> None:
        super().__init__(model, **search)
        self.views = ViewSettings(**views or {})
        self.refinement = RefinementSettings(**refinement or {})
        self.seed = seed
        self.settings |= dict(
            views=asdict(self.views), refinement=asdict(self.refinement), seed=seed
        )

    def check_memory(self, size: int) -> None:
        """Check that a filter's memory holds the first frame.

        Args:
            size: Samples that it holds.

        Raises:
            InputError: There are more views.
        """
        if self.views.samples > size:
            raise InputError(
                f"A memory of {size} samples cannot hold the {self.views.samples} of the first "
                "frame: raise learning.memory, or make fewer views."
            )

    @abstractmethod
    def _features(self, maps: Pair) -> Tensor:
        """What filters are applied to, (N, C, H, W), of the backbone's maps."""

    @abstractmethod
    def _new_filter(self, feat: Tensor, boxes: Tensor, draw: Draw) -> TargetFilter:
        """Learn a filter.

        Args:
            feat: (n, C, H, W) features of the views of the first frame.
            boxes: (n, 4) boxes (x, y, w, h) of the target in them, in pixels.
            draw: Draws of the target.
        """

    @abstractmethod
    def _scores(self, targets: list[LearnedTarget], feat: Tensor) -> Tensor:
        """Scores (N, H, W) of N targets in features (N, C, H, W) of their search areas."""

    def draws(self, track_id: int) -> Draw:
        """Uniform draws for a target."""
        generator = torch.Generator().manual_seed(self.seed + track_id)
        return lambda *shape: torch.rand(shape, generator=generator)

    def _begin(self, image: Tensor, track_id: int, box: NDArray[np.float32]) -> LearnedTarget:
        draw, placement = self.draws(track_id), Placement(box, self.side / self.extent)
        area = self._first_area(placement)
        around = self._around(image, area, self.views.expansion)
        views, shifts = make_views(around, self.side, self.views, draw)
        maps = self._maps(views)
        feat = self._features(maps)
        dropped = drop_channels(feat[:1], self.views, draw)
        first = self._tensor(area.box_of(placement.position, placement.size))
        boxes = first.repeat(len(feat) + len(dropped), 1)
        boxes[: len(shifts), :2] += shifts.flip(-1).to(boxes)
        learned = self._new_filter(torch.cat([feat, dropped]), boxes, draw)
        modulation = self.model.iou_net.modulation((maps[0][:1], maps[1][:1]), first[None])
        return LearnedTarget(track_id, placement, learned, modulation, draw)

    def _follow(self, image: Tensor, targets: list[LearnedTarget]) -> None:
        windows, patches = self._search(image, targets)
        maps = self._maps(patches)
        feat = self._features(maps)
        seen = self._scores(targets, feat).cpu().numpy()
        found: list[int] = []
        for row, (target, window) in enumerate(zip(targets, windows, strict=True)):
            target.age += 1
            sight = target.sight = self._look(target, window, seen[row], maps[1][row])
            if sight.place.flag is not Flag.NOT_FOUND:
                centre = sight.area.centre + sight.place.translation
                target.placement.move(centre, image_shape(image))
                found.append(row)
        if found:
            self._fit_boxes([targets[row] for row in found], (maps[0][found], maps[1][found]))
        for row in found:
            self._learn(targets[row], feat[row])

    def _look(
        self,
        target: LearnedTarget,
        window: Window,
        scores: NDArray[np.float32],
        coarse: Tensor,
    ) -> Sight:
        """See where a target is.

        Args:
            target: The target.
            window: What was cut out of the frame.
            scores: (H, W) of its filter there.
            coarse: (C, H', W') the backbone's coarser map of it.
        """
        return self._see(target, window, scores)

    def _fit_boxes(self, targets: list[LearnedTarget], maps: Pair) -> None:
        """Refine the boxes of targets, whose search areas the maps show."""
        proposals = torch.stack(
            [propose_boxes(self._box_of(t), self.refinement, t.draw) for t in targets]
        )
        refined = self._refined(targets, maps, proposals)
        last, overlap = refined.boxes[-1].cpu(), refined.overlap[-1].cpu()
        for row, target in enumerate(targets):
            sight, place = target.sight, target.placement
            assert sight is not None
            sight.proposals, sight.refined, sight.overlap = proposals[row], last[row], overlap[row]
            best = choose_box(last[row], overlap[row], self.refinement)
            if best is not None:
                place.position, place.size = sight.area.place_of(best.double().numpy())

    def _refined(self, targets: list[LearnedTarget], maps: Pair, proposals: Tensor) -> Refinement:
        """Proposals (targets, K, 4) moved to where they fit."""
        settings = self.refinement
        fine, coarse = (torch.cat([t.modulation[level] for t in targets]) for level in (0, 1))
        return refine_nearby(
            self.model.iou_net,
            (fine, coarse),
            maps,
            proposals,
            np.stack([target.seen_box for target in targets]),
            settings.reach,
            settings.steps,
            settings.step_length,
            settings.relative,
        )

    def _learn(self, target: LearnedTarget, feat: Tensor) -> None:
        """Learn from a search area, if it is certain what it shows."""
        assert target.sight is not None
        flag = target.sight.place.flag
        if flag is not Flag.UNCERTAIN:
            target.sight.steps = self._update(target, feat, flag is Flag.HARD_NEGATIVE)

    def _update(self, target: LearnedTarget, feat: Tensor, hard_negative: bool) -> int:
        """Let a filter learn, see :meth:`TargetFilter.update`."""
        return target.filter.update(feat, self._box_of(target), target.age, hard_negative)

    def _maps(self, patches: Tensor) -> Pair:
        """The backbone's maps of search areas (N, 3, side, side)."""
        fine, coarse = self.model.extract(self.model.normalize(patches))
        return fine.float(), coarse.float()
