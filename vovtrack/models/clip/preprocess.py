"""What becomes of an image before a CLIP's image tower: its size, its shape, its range."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vovtrack.errors import InputError

INTERPOLATIONS = ("bicubic", "bilinear")
RESIZE_MODES = ("shortest", "squash")


class ImagePreprocess(nn.Module):
    """How images become inputs of an image tower; whoever cuts them out resizes them too.

    Args:
        side: Of the square input, pixels.
        mean: Of each channel (RGB, in [0, 1]), subtracted.
        std: Of each channel, divided by.
        interpolation: ``bicubic`` or ``bilinear``.
        resize_mode: ``shortest`` brings the shorter side to ``side`` and keeps the central square;
            ``squash`` brings both sides to it.

    Raises:
        InputError: Another interpolation or way of resizing, or not three numbers each.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        side: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        interpolation: str = "bicubic",
        resize_mode: str = "shortest",
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("interpolation", interpolation, INTERPOLATIONS),
            ("resize_mode", resize_mode, RESIZE_MODES),
        ):
            if value not in choices:
                raise InputError(
                    f"the CLIP has {name} {value!r} in its preprocess_cfg, expected "
                    f"{' or '.join(choices)}"
                )
        self.side, self.interpolation, self.resize_mode = side, interpolation, resize_mode
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, _channels(name, values), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 RGB squares (N, 3, ``side``, ``side``) to float32 inputs."""
        return pixels.float().div_(255).sub_(self.mean).div_(self.std)


def _channels(name: str, values: Any) -> Tensor:
    try:
        return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"the CLIP has {name} {values!r} in its preprocess_cfg, expected three numbers, for "
            "images in [0, 1]"
        ) from None
