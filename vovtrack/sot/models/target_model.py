"""What the networks that follow single objects have in common."""

from __future__ import annotations

from abc import abstractmethod
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


class TargetModel(OnlineModel):
    """A backbone, and what learns a target in some frames and finds it in others.

    Args:
        backbone: Config of a network that gives maps of images.
        losses: Config of what it is trained by; None for a network that is not trained.
        mean: Of each channel, from 0 to 255.
        std: Of each channel.
        init_cfg: See mmengine.

    Attributes:
        stride: Pixels of a cell of the features in which targets are found.
    """

    stride: int = 16

    follows = "targets"
    entry_points = ("extract",)
    """What a tracker computes in mixed precision, if asked to."""

    def __init__(
        self,
        backbone: dict[str, Any],
        losses: dict[str, Any] | None = None,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.losses = None if losses is None else MODELS.build(losses)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Images (..., 3, H, W), RGB from 0 to 255, as ``extract`` takes them."""
        return (images - self.mean) / self.std

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Tensor]:
        """Learn a target in some frames of a sequence, and find it in others.

        Args:
            inputs: Of each sequence (frames, 3, H, W) search areas, RGB from 0 to 255: those to
                learn in, and those to find it in.
            data_samples: Of each sequence ``train_boxes`` (images, 4) and ``test_boxes``, in
                pixels of the areas, and what :meth:`learn` asks for besides.

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
        return self.learn(frames[:count], frames[count:], truth)

    @abstractmethod
    def learn(self, train: Tensor, test: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses by name.

        Args:
            train: (images, sequences, 3, H, W) search areas to learn in, normalised.
            test: The same to find in.
            truth: Of all sequences, (images, sequences, ...) each.
        """
