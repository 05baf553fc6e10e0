"""DiMP's tracker, whose filters a network makes and a learned optimiser improves."""

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
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.iou_net import Pair
from vovtrack.sot.online_filter import LearningSettings, OnlineFilter


@TASK_UTILS.register_module()
class DiMPTracker(FilterTracker[DiMP]):
    """Follows what boxes are drawn around; see :class:`vovtrack.sot.box_tracker.BoxTracker`.

    A filter is learned of each target in the first frame, finds it in a search area around its
    last place, and learns on; then a network fits its box (DiMP, Bhat et al., ICCV 2019,
    arXiv:1904.07220, section 4.4).

    Args:
        model: In evaluation mode.
        softmax: Whether scores are logits of where the target is.
        learning: Of :class:`LearningSettings`.
        **search: Of :class:`FilterTracker`.
    """

    def __init__(
        self,
        model: DiMP,
        softmax: bool = False,
        learning: Mapping[str, Any] | None = None,
        **search: Any,
    ) -> None:
        super().__init__(model, **search)
        self.softmax = softmax
        self.learning = LearningSettings(**learning or {})
        self.check_memory(self.learning.memory)
        self.settings |= dict(softmax=softmax, learning=asdict(self.learning))

    def _features(self, maps: Pair) -> Tensor:
        return self.model.classifier.extract(maps[1])

    def _new_filter(self, feat: Tensor, boxes: Tensor, draw: Draw) -> OnlineFilter:
        return OnlineFilter(self.model.classifier, feat, boxes, self.learning)

    def _scores(self, targets: list[LearnedTarget], feat: Tensor) -> Tensor:
        filters = torch.cat([target.filter.weights for target in targets])
        scores = self.model.classifier.classify(filters, feat[None])[0]
        if self.softmax:
            scores = scores.flatten(1).softmax(dim=1).view_as(scores)
        return scores
