"""The network of DiMP, and of PrDiMP and super DiMP, which train it otherwise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vovtrack.registry import MODELS
from vovtrack.sot.models.target_model import TargetModel


@MODELS.register_module()
class DiMP(TargetModel):
    """A backbone, a classifier that finds the target, and a network that fits its box.

    Bhat et al., ICCV 2019, arXiv:1904.07220; PrDiMP is Danelljan et al., CVPR 2020,
    arXiv:2003.12565.

    Args:
        backbone: Config of a network that gives maps of stride 8 and 16.
        classifier: Config of :class:`TargetClassifier`, which sees the second.
        iou_net: Config of :class:`IoUNet`, which sees both.
        losses: Config of :class:`FilterLosses`; None for a network that is not trained.
        **options: Of :class:`TargetModel`.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        classifier: dict[str, Any],
        iou_net: dict[str, Any],
        losses: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(backbone, losses, **options)
        self.classifier = MODELS.build(classifier)
        self.iou_net = MODELS.build(iou_net)
        self.stride = self.classifier.filter_initializer.stride

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's two maps of images (N, 3, H, W), RGB and normalised."""
        fine, coarse = self.backbone(images)
        return fine, coarse

    def learn(self, train: Tensor, test: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        """Find targets and fit boxes, see :meth:`TargetModel.learn`.

        Of the truth it takes the boxes, ``test_proposals`` (images, sequences, K, 4), and what
        ``losses`` and the filter's optimiser ask for.
        """
        assert self.losses is not None
        learn, find = (self.extract(part.flatten(0, 1)) for part in (train, test))
        scores = self._scores(learn[1], find[1], truth)
        first = tuple(maps[: train.shape[1]] for maps in learn)
        foretold = self.iou_net.foretell(
            first, truth["train_boxes"][0], find, truth["test_proposals"]
        )
        return self.losses(scores, foretold, truth)

    def _scores(self, train: Tensor, test: Tensor, truth: dict[str, Tensor]) -> Tensor:
        """Scores (filters, images, sequences, H, W) of all filters in the test frames.

        Args:
            train: Maps (images * sequences, C, H, W).
            test: The same.
            truth: Of all sequences.
        """
        sequences = truth["train_boxes"].shape[1]
        learn, find = (
            self.classifier.extract(maps).unflatten(0, (-1, sequences)) for maps in (train, test)
        )
        target = truth.get(self.classifier.filter_optimizer.target)
        path = self.classifier.learn(learn, truth["train_boxes"], target)
        return torch.stack([self.classifier.classify(weights, find) for weights in path.iterates])
