"""ATOM's tracker, whose filters are learned from nothing in the first frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from vovtrack.registry import TASK_UTILS
from vovtrack.sot.filter_tracker import FilterTracker
from vovtrack.sot.first_views import Draw
from vovtrack.sot.followed import LearnedTarget
from vovtrack.sot.models.atom import ATOM
from vovtrack.sot.models.features import InstanceL2Norm
from vovtrack.sot.models.iou_net import Pair
from vovtrack.sot.projected_filter import FitSettings, ProjectedFilter


@TASK_UTILS.register_module()
class ATOMTracker(FilterTracker[ATOM]):
    """Follows what boxes are drawn around; see :class:`vovtrack.sot.box_tracker.BoxTracker`.

    In the first frame a filter is learned of each target, together with a projection of the
    backbone's features; the filter learns on by conjugate gradients, and a network fits the box
    (ATOM, Danelljan et al., CVPR 2019, arXiv:1811.07628).

    Args:
        model: In evaluation mode.
        learning: Of :class:`FitSettings`.
        **search: Of :class:`FilterTracker`.
    """

    def __init__(
        self, model: ATOM, learning: Mapping[str, Any] | None = None, **search: Any
    ) -> None:
        super().__init__(model, **search)
        self.learning = FitSettings(**learning or {})
        self.check_memory(self.learning.memory)
        self.settings |= dict(learning=asdict(self.learning))
        self.middle_offset = (self.learning.filter_size + 1) % 2 / 2
        self._norm = InstanceL2Norm(scale=1.0)

    def _features(self, maps: Pair) -> Tensor:
        return self._norm(maps[1])

    def _new_filter(self, feat: Tensor, boxes: Tensor, draw: Draw) -> ProjectedFilter:
        return ProjectedFilter(feat, boxes, self.model.stride, draw, self.learning)

    def _scores(self, targets: list[LearnedTarget], feat: Tensor) -> Tensor:
        scores = []
        for target, seen in zip(targets, feat, strict=True):
            assert isinstance(target.filter, ProjectedFilter)
            scores.append(target.filter.scores(seen))
        return torch.stack(scores)
