"""What networks that follow single objects learn from.

Scores and labels are (images, sequences, H, W) maps of the test frames. The truth of a batch is a
dict of tensors, named as :mod:`vovtrack.sot.datasets` packs them: ``test_boxes`` (images,
sequences, 4), of NaN where a frame has no target; ``test_label`` and ``test_density`` of the
target's centre; ``test_sides`` (images, sequences, 4, H, W) and ``test_region``; and of K proposed
boxes (images, sequences, K) ``test_overlap``, ``test_proposal_density`` and
``test_truth_density``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vovtrack.registry import MODELS

Truth = Mapping[str, Tensor]
EPS = 1e-7
"""Added to areas that are divided by."""


@MODELS.register_module()
class HingeLoss(nn.Module):
    """Squared differences, but background may score below 0 (DiMP, arXiv:1904.07220, eq. 5).

    Args:
        threshold: Labels below it are background; None for none.
        most: The mean is cut there, and is then not learned from; None for no limit.
    """

    def __init__(self, threshold: float | None = 0.05, most: float | None = None) -> None:
        super().__init__()
        self.threshold, self.most = threshold, most

    def forward(self, scores: Tensor, truth: Truth) -> Tensor:
        """The mean over all cells, of scores to ``test_label``."""
        difference = scores - truth["test_label"]
        if self.threshold is not None:
            background = truth["test_label"] < self.threshold
            difference = torch.where(background, scores.relu(), difference)
        return difference.square().mean().clamp(max=self.most or math.inf)


@MODELS.register_module()
class DensityLoss(nn.Module):
    """Scores as logits of where the target is (PrDiMP, arXiv:2003.12565, section 4.2)."""

    def forward(self, scores: Tensor, truth: Truth) -> Tensor:
        """Cross-entropy to ``test_density``, the mean over frames."""
        hit = (scores * truth["test_density"]).sum(dim=(-2, -1))
        return (scores.flatten(-2).logsumexp(dim=-1) - hit).mean()


@MODELS.register_module()
class OverlapLoss(nn.Module):
    """Squared errors of foretold overlaps (ATOM, arXiv:1811.07628, section 3.1)."""

    def forward(self, foretold: Tensor, truth: Truth) -> Tensor:
        """Of predictions (images, sequences, K) to ``test_overlap``."""
        return _of_present((foretold - truth["test_overlap"]).square().mean(dim=-1), truth)


@MODELS.register_module()
class BoxDensityLoss(nn.Module):
    """Scores of boxes as logits of a density, whose integral the proposals sample.

    The Kullback-Leibler divergence but for a constant (PrDiMP, arXiv:2003.12565, equation 9).
    """

    def forward(self, scores: Tensor, truth: Truth) -> Tensor:
        """Of scores (images, sequences, K) of boxes."""
        drawn, wanted = truth["test_proposal_density"], truth["test_truth_density"]
        hit = (scores * wanted / drawn).mean(dim=-1)
        return _of_present(_log_integral(scores, drawn) - hit, truth)


@MODELS.register_module()
class BoxLikelihoodLoss(nn.Module):
    """As :class:`BoxDensityLoss`, but all of the density is on the first proposal, the truth."""

    def forward(self, scores: Tensor, truth: Truth) -> Tensor:
        """Of scores (images, sequences, K); the density of the first proposal is not read."""
        integral = _log_integral(scores[..., 1:], truth["test_proposal_density"][..., 1:])
        return _of_present(integral - scores[..., 0], truth)


def _log_integral(scores: Tensor, drawn: Tensor) -> Tensor:
    """Logarithm of the integral of exp(scores), from K samples that a density was drawn with."""
    return (scores - drawn.log()).logsumexp(dim=-1) - math.log(scores.shape[-1])


def _of_present(values: Tensor, truth: Truth) -> Tensor:
    """The mean (images, sequences) over frames with a target; 0 of none."""
    present = truth["test_boxes"].isfinite().all(dim=-1)
    return values.where(present, 0).sum() / present.sum().clamp(min=1)


@MODELS.register_module()
class FilterLosses(nn.Module):
    """Losses of all filters that an optimiser passes, and of boxes (arXiv:1904.07220, eq. 6).

    Args:
        grid: Config of the loss of scores.
        box: Config of the loss of boxes.
        final: Weight of the last filter's scores.
        first: Weight of the filter's that the optimiser starts from.
        between: Weight of the mean over those between them.
        boxes: Weight of the boxes.
    """

    def __init__(
        self,
        grid: dict[str, Any],
        box: dict[str, Any],
        final: float = 100.0,
        first: float = 100.0,
        between: float = 400.0,
        boxes: float = 1.0,
    ) -> None:
        super().__init__()
        self.grid, self.box = MODELS.build(grid), MODELS.build(box)
        self.final, self.first, self.between, self.boxes = final, first, between, boxes

    def forward(self, scores: Tensor, boxes: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The weighted losses by name.

        Args:
            scores: (filters, images, sequences, H, W), from the first filter to the last.
            boxes: (images, sequences, K) what is foretold of proposals.
            truth: See the module.
        """
        each = torch.stack([self.grid(found, truth) for found in scores])
        losses = dict(
            loss_final=self.final * each[-1],
            loss_first=self.first * each[0],
            loss_box=self.boxes * self.box(boxes, truth),
        )
        if len(each) > 2:
            losses["loss_between"] = self.between * each[1:-1].mean()
        return losses


class SideOverlap(NamedTuple):
    """How boxes overlap that are told by distances to their sides.

    Attributes:
        iou: (...,) intersection over union.
        giou: (...,) generalised, from -1 to 1 (Rezatofighi et al., CVPR 2019, arXiv:1902.09630).
    """

    iou: Tensor
    giou: Tensor


def side_overlap(sides: Tensor, others: Tensor) -> SideOverlap:
    """Overlap of boxes around one point.

    Args:
        sides: (..., 4) distances to the left, top, right and bottom.
        others: The same of the other boxes.
    """
    inner, outer = (_area(extreme(sides, others)) for extreme in (torch.minimum, torch.maximum))
    union = _area(sides) + _area(others) - inner
    iou = inner / (union + EPS)
    return SideOverlap(iou, iou - (outer - union) / (outer + EPS))


def _area(sides: Tensor) -> Tensor:
    left, top, right, bottom = sides.unbind(dim=-1)
    return (left + right) * (top + bottom)


@MODELS.register_module()
class DenseLosses(nn.Module):
    """Losses of a map of scores and a map of boxes (ToMP, arXiv:2203.11192, section 3.5).

    Args:
        grid: Config of the loss of scores.
        scores: Weight of the scores.
        boxes: Weight of the boxes, 1 - GIoU over the cells of ``test_region``.
    """

    def __init__(self, grid: dict[str, Any], scores: float = 100.0, boxes: float = 1.0) -> None:
        super().__init__()
        self.grid = MODELS.build(grid)
        self.scores, self.boxes = scores, boxes

    def forward(self, scores: Tensor, sides: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The weighted losses by name, and the mean overlap of the boxes.

        Args:
            scores: (images, sequences, H, W).
            sides: (images, sequences, 4, H, W) what is foretold; see ``test_sides``.
            truth: See the module. A batch without a cell in ``test_region`` (images, sequences, H,
                W) takes all cells.
        """
        region = truth["test_region"]
        region = region | ~region.any()
        overlap = side_overlap(sides.movedim(-3, -1), truth["test_sides"].movedim(-3, -1))
        iou, giou = (values.where(region, 0).sum() / region.sum() for values in overlap)
        return dict(
            loss_grid=self.scores * self.grid(scores, truth),
            loss_box=self.boxes * (1 - giou),
            overlap=iou.detach(),
        )
