"""Frames in which a target was found, by which a network is told what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vovtrack.sot.labels import gaussian_label, side_distances
from vovtrack.sot.sample_memory import SampleMemory

FILTER_SIZE = 1
"""Of ToMP's filters; labels of an odd one have as many cells as features."""


@dataclass(frozen=True)
class KnownFrameSettings:
    """Which frames are remembered (ToMP, arXiv:2203.11192, section 3.6).

    Attributes:
        memory: Frames, the first one included.
        confident: Only frames of higher scores are.
        label_sigma: Standard deviation of what tells where the target is, as a share of the map's
            side.
        least_initial: Share of all weight that the first frame keeps.
        rate: Weight of a new frame. Weights say which frame a new one takes the place of.
        hard_negative_rate: The same of one in which something else looks like the target.
    """

    memory: int = 2
    confident: float = 0.9
    label_sigma: float = 0.05
    least_initial: float = 0.25
    rate: float = 0.01
    hard_negative_rate: float = 0.02


class Told(NamedTuple):
    """What a network is told of N targets in n frames each.

    Attributes:
        feat: (n, N, C, H, W) features of search areas.
        label: (n, N, H, W) Gaussian of the target.
        sides: (n, N, 4, H, W), see :func:`side_distances`.
        is_truth: (n,) frames whose boxes were drawn, not tracked.
    """

    feat: Tensor
    label: Tensor
    sides: Tensor
    is_truth: Tensor


class KnownFrames:
    """Frames in which one target was found.

    Args:
        feat: (C, H, W) features of the search area in the first frame.
        box: (4,) box (x, y, w, h) of the target in it, in pixels.
        settings: Which frames are remembered.

    Attributes:
        memory: Which slots they are in, and how much each counts.
        feat: (n, C, H, W) features of their search areas.
        boxes: (n, 4) boxes (x, y, w, h) of the target in them.
    """

    def __init__(self, feat: Tensor, box: Tensor, settings: KnownFrameSettings) -> None:
        self.settings = settings
        self.memory = SampleMemory(settings.memory, 1, settings.least_initial, device=feat.device)
        self.feat, self.boxes = feat[None], box[None]

    def __len__(self) -> int:
        return len(self.feat)

    def insert(self, feat: Tensor, box: Tensor, hard_negative: bool) -> None:
        """Remember a frame, in the place of the one that counts least if there is none left.

        Args:
            feat: (C, H, W) features of the search area.
            box: (4,) box (x, y, w, h) of the target in it, in pixels.
            hard_negative: Whether something else looks like the target.
        """
        rate = self.settings.hard_negative_rate if hard_negative else self.settings.rate
        slot = self.memory.insert(rate)
        self.feat, self.boxes = (
            torch.cat([known[:slot], new[None], known[slot + 1 :]])
            for known, new in ((self.feat, feat), (self.boxes, box))
        )


def tell(targets: list[KnownFrames], stride: int) -> Told:
    """What a network is told of targets that have as many frames each.

    Args:
        targets: Their frames.
        stride: Pixels of a cell of features.
    """
    feat = torch.stack([known.feat for known in targets], dim=1)
    boxes = torch.stack([known.boxes for known in targets], dim=1)
    size, sigma = feat.shape[-1], targets[0].settings.label_sigma
    return Told(
        feat,
        gaussian_label(boxes, sigma, FILTER_SIZE, size, stride, density=False),
        side_distances(boxes, size, stride),
        torch.arange(len(feat), device=feat.device) < 1,
    )
