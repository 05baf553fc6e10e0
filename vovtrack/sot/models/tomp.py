"""The network of ToMP, which predicts filters instead of optimising them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vovtrack.registry import MODELS
from vovtrack.sot.models.features import ClassificationFeatures
from vovtrack.sot.models.target_filter import apply_filter
from vovtrack.sot.models.target_model import TargetModel


class DenseOutput(NamedTuple):
    """What is said of each cell of test frames.

    Attributes:
        scores: (images, sequences, H, W), highest at the target.
        sides: (images, sequences, 4, H, W) distances to the left, top, right and bottom side of
            the target, as shares of the search area's side.
    """

    scores: Tensor
    sides: Tensor


class FilterScores(nn.Module):
    """Scores of a filter.

    Args:
        channels: Of features and of filters.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, weights: Tensor, feat: Tensor) -> Tensor:
        """(sequences, C) on (images, sequences, C, H, W) to (images, sequences, H, W)."""
        return apply_filter(feat, self.linear(weights)[..., None, None])


class FilterSides(nn.Module):
    """Sides of the target, read where a filter points to (arXiv:2203.11192, section 3.4).

    Args:
        channels: Of features and of filters.
        layers: Convolutions before the last.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.attention = FilterScores(channels)
        self.tower = nn.Sequential(
            *(
                part
                for _ in range(layers)
                for part in (
                    nn.Conv2d(channels, channels, 3, padding=1),
                    nn.GroupNorm(1, channels),
                    nn.ReLU(),
                )
            )
        )
        self.output = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, weights: Tensor, feat: Tensor) -> Tensor:
        """(sequences, C) on (images, sequences, C, H, W) to (images, sequences, 4, H, W)."""
        attended = feat * self.attention(weights, feat)[:, :, None]
        sides = self.output(self.tower(attended.flatten(0, 1))).exp()
        return sides.unflatten(0, feat.shape[:2])


@MODELS.register_module()
class ToMP(TargetModel):
    """A backbone, a predictor of filters, and what they are applied by.

    Mayer et al., CVPR 2022, arXiv:2203.11192.

    Args:
        backbone: Config of a network whose last map has stride 16.
        in_channels: Of that map.
        predictor: Config of :class:`TargetTransformer`.
        channels: Of features.
        layers: See :class:`FilterSides`.
        losses: Config of :class:`DenseLosses`; None for a network that is not trained.
        **options: Of :class:`TargetModel`.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        in_channels: int,
        predictor: dict[str, Any],
        channels: int = 256,
        layers: int = 4,
        losses: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(backbone, losses, **options)
        self.features = ClassificationFeatures(in_channels, channels, filter_size=1)
        self.predictor = MODELS.build(predictor)
        self.classifier = FilterScores(channels)
        self.box_regressor = FilterSides(channels, layers)

    def extract(self, images: Tensor) -> Tensor:
        """Features (N, C, H, W) of images (N, 3, H', W'), RGB and normalised."""
        return self.features(self.backbone(images)[-1])

    def learn(self, train: Tensor, test: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        """Find targets, see :meth:`TargetModel.learn`.

        Of the truth it takes ``train_label``, ``train_sides`` and what ``losses`` asks for.
        """
        assert self.losses is not None
        learn, find = (
            self.extract(part.flatten(0, 1)).unflatten(0, part.shape[:2]) for part in (train, test)
        )
        found = self.find(learn, find, truth["train_label"], truth["train_sides"])
        return self.losses(found.scores, found.sides, truth)

    def find(
        self, train_feat: Tensor, test_feat: Tensor, label: Tensor, sides: Tensor
    ) -> DenseOutput:
        """Find targets; arguments are those of :class:`TargetTransformer`."""
        weights, feat = self.predictor(train_feat, test_feat, label, sides)
        return DenseOutput(self.classifier(weights, feat), self.box_regressor(weights, feat))

    def track(
        self,
        train_feat: Tensor,
        test_feat: Tensor,
        label: Tensor,
        sides: Tensor,
        is_truth: Tensor,
    ) -> DenseOutput:
        """Find targets where some training frames are only what was tracked.

        Scores are of a filter of all frames, sides of one of those whose boxes are true; both are
        predicted at once (section 3.6).

        Args:
            train_feat: See :class:`TargetTransformer`.
            test_feat: The same.
            label: The same.
            sides: The same.
            is_truth: (images,) training frames whose boxes are true.
        """
        count = train_feat.shape[1]
        unseen = torch.stack([torch.zeros_like(is_truth), ~is_truth], dim=1)
        twice = (torch.cat([x, x], dim=1) for x in (train_feat, test_feat, label, sides))
        weights, feat = self.predictor(*twice, unseen.repeat_interleave(count, dim=1))
        return DenseOutput(
            self.classifier(weights[:count], feat[:, :count]),
            self.box_regressor(weights[count:], feat[:, count:]),
        )
