"""Backbones of other projects: how they name the tensors of a ResNet-50."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.errors import InputError

OTHER_PART = "no part of the backbone"
STEM = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
RESNET50 = "configs/_base_/models/resnet50.py"
RGB_STD = (58.395, 57.12, 57.375)
"""By which the configs of the project divide RGB images."""
PYTORCH_STYLE = (
    "It strides in the 3x3 convolutions: set model.backbone.style=pytorch, or accept another "
    "stride placement."
)


class BareResNetKeys(KeyMap):
    """Torchvision's names with nothing before them; the classifier is dropped."""

    def translate(self, key: str) -> tuple[str | None, str]:
        """See :meth:`KeyMap.translate`."""
        key = key.removeprefix("backbone.")
        return (f"backbone.{key}", "") if key.startswith(STEM) else (None, OTHER_PART)


class Detectron2Keys(KeyMap):
    """``stem.conv1.norm.weight`` and ``res2.0.shortcut.weight``, bare or inside a detector."""

    PREFIX = "backbone.bottom_up."
    NAME = re.compile(r"(?:stem\.|res([2-5])\.(\d+)\.)(conv[123]|shortcut)\.(norm\.)?(\w+)")

    def translate(self, key: str) -> tuple[str | None, str]:
        """See :meth:`KeyMap.translate`."""
        found = self.NAME.fullmatch(key.removeprefix(self.PREFIX))
        if found is None:
            return None, OTHER_PART
        stage, block, part, norm, leaf = found.groups()
        place = "" if stage is None else f"layer{int(stage) - 1}.{block}."
        if part == "shortcut":
            ours = "downsample.1" if norm else "downsample.0"
        else:
            ours = part.replace("conv", "bn") if norm else part
        return f"backbone.{place}{ours}.{leaf}", ""


def detectron2_input(source: Mapping[str, Tensor], weights: dict[str, Tensor]) -> tuple[str, ...]:
    """Make the first convolution take the project's images, in place; says what was done.

    Detectron2 feeds BGR images minus a mean, divided by a deviation that is 1 where the weights
    came from Caffe; a detector's file holds both. The project feeds RGB images divided by
    ``RGB_STD``. Reordering the input channels and scaling them by the ratio is exact.

    Raises:
        InputError: The file's mean or deviation is not one of three channels.
    """
    first = "backbone.conv1.weight"
    if first not in weights:
        return ()
    mean = source.get("pixel_mean", torch.tensor([103.53, 116.28, 123.675])).flatten().double()
    std = source.get("pixel_std", torch.ones(3)).flatten().double()
    if mean.shape != (3,) or std.shape != (3,) or not (std > 0).all():
        raise InputError("Its 'pixel_mean' and 'pixel_std' are not those of three channels.")
    kernel, bgr = weights[first].double(), bool(mean[0] < mean[2])
    if bgr:
        kernel, std = kernel.flip(1), std.flip(0)
    scale = torch.tensor(RGB_STD, dtype=torch.double) / std
    weights[first] = (kernel * scale[:, None, None]).to(weights[first].dtype)
    order = "from BGR to RGB and " if bgr else ""
    return (f"The input channels of the first convolution were {order}scaled to our images.",)


MMDET3 = Layout(
    name="mmdet3",
    what="backbone of mmdet 3.x",
    keys=BareResNetKeys(),
    marks=("backbone.", "conv1."),
    config=RESNET50,
    backbone=True,
    notes=("Mean, deviation and channel order of the images are those of its own config.",),
)
TORCHVISION = Layout(
    name="torchvision",
    what="torchvision ResNet-50",
    keys=BareResNetKeys(),
    marks=("fc.",),
    config=RESNET50,
    backbone=True,
    notes=(PYTORCH_STYLE,),
)
DETECTRON2 = Layout(
    name="detectron2",
    what="detectron2 ResNet-50",
    keys=Detectron2Keys(),
    marks=("stem.conv1.", "backbone.bottom_up.stem.conv1."),
    config=RESNET50,
    backbone=True,
    adapt=detectron2_input,
)
BACKBONES = (DETECTRON2, TORCHVISION, MMDET3)
