"""The network of DiMP, and of PrDiMP and super DiMP, which train it otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.models.online import OnlineModel
from vovtrack.registry import MODELS

MEAN = (123.675, 116.28, 103.53)
"""Of the images of ImageNet, RGB from 0 to 255."""
STD = (58.395, 57.12, 57.375)


@MODELS.register_module()
class DiMP(OnlineModel):
    """A backbone, a classifier that finds the target, and a network that fits its box.

    Bhat et al., ICCV 2019, arXiv:1904.07220; PrDiMP is Danelljan et al., CVPR 2020,
    arXiv:2003.12565.

    Args:
        backbone: Config of a network that gives maps of stride 8 and 16.
        classifier: Config of :class:`TargetClassifier`, which sees the second.
        iou_net: Config of :class:`IoUNet`, which sees both.
        losses: Config of :class:`FilterLosses`; None for a network that is not trained.
        mean: Of each channel, from 0 to 255.
        std: Of each channel.
        init_cfg: See mmengine.
    """

    follows = "targets"
    entry_points = ("extract",)
    """What a tracker computes in mixed precision, if asked to."""

    def __init__(
        self,
        backbone: dict[str, Any],
        classifier: dict[str, Any],
        iou_net: dict[str, Any],
        losses: dict[str, Any] | None = None,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.classifier = MODELS.build(classifier)
        self.iou_net = MODELS.build(iou_net)
        self.losses = None if losses is None else MODELS.build(losses)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Images (..., 3, H, W), RGB from 0 to 255, as :meth:`extract` takes them."""
        return (images - self.mean) / self.std

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's two maps of images (N, 3, H, W), RGB and normalised."""
        fine, coarse = self.backbone(images)
        return fine, coarse

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Tensor]:
        """Learn a target in some frames of a sequence, and find it in others.

        Args:
            inputs: Of each sequence (frames, 3, H, W) search areas, RGB from 0 to 255: those to
                learn in, and those to find it in.
            data_samples: Of each sequence ``train_boxes`` (images, 4) and ``test_boxes``, in
                pixels of the areas, ``test_proposals`` (images, K, 4), and what ``losses`` and the
                filter's optimiser ask for.

        Returns:
            What ``losses`` gives.

        Raises:
            InputError: The config has no ``losses``.
        """
        if self.losses is None:
            raise InputError("This model has no 'losses' to learn from: name them in its config.")
        truth = {
            name: torch.stack([sample.get(name) for sample in data_samples], dim=1)
            for name in data_samples[0].keys()  # noqa: SIM118  not a dict
        }
        frames = self.normalize(torch.stack(list(inputs), dim=1))
        count = len(truth["train_boxes"])
        train, test = (
            self.extract(part.flatten(0, 1)) for part in (frames[:count], frames[count:])
        )
        scores = self._scores(train[1], test[1], truth)
        return self.losses(scores, self._overlaps(train, test, truth), truth)

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

    def _overlaps(
        self, train: Sequence[Tensor], test: Sequence[Tensor], truth: dict[str, Tensor]
    ) -> Tensor:
        """What is foretold of proposals, (images, sequences, K), from the first train frame.

        Args:
            train: Both maps (images * sequences, C, H, W).
            test: The same.
            truth: Of all sequences.
        """
        boxes = truth["train_boxes"][0]
        first = tuple(maps[: len(boxes)] for maps in train)
        proposals = truth["test_proposals"]
        vectors = self.iou_net.modulation(first, boxes)
        found = self.iou_net(
            tuple(vector.repeat(len(proposals), 1) for vector in vectors),
            self.iou_net.features(tuple(test)),
            proposals.flatten(0, 1),
        )
        return found.view(proposals.shape[:-1])
