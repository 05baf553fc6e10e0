"""Boxes near the target, whose fit is to be foretold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.ops.boxes import pairwise_iou
from vovtrack.registry import TRANSFORMS
from vovtrack.sot.models.iou_net import from_relative

SIGMAS = (0.01, 0.05, 0.1, 0.2, 0.3)
LEAST_SHARE, MOST_SHARE = 0.15, 0.5
"""A side that noise left nothing of becomes such a share of the target's."""
RETRIES, FADE = 100, 0.9
"""How often a box is drawn, and what noise is multiplied by each time."""


def perturb_box(
    box: NDArray[np.float32], least_overlap: float, sigma: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Draw a box near another one, in whole pixels.

    Args:
        box: (4,) (x, y, w, h).
        least_overlap: Boxes of less intersection over union are drawn again, with less noise; the
            last of them stays.
        sigma: Deviation of centre and size, as a share of the root of the box's area.
        rng: What is drawn from.

    Returns:
        (4,) box and its overlap.
    """
    size = box[2:]
    mean = np.concatenate([box[:2] + size / 2, size])
    noise = sigma * float(np.sqrt(size.prod()))
    for _ in range(RETRIES):
        drawn = (mean + noise * rng.standard_normal(4)).astype(np.float32)
        sides = _some(drawn[2:], size, rng)
        rounded = np.rint(np.concatenate([drawn[:2] - sides / 2, sides]))
        rounded[2:] = _some(rounded[2:], size, rng)
        overlap = float(pairwise_iou(_corners(rounded), _corners(box))[0, 0])
        if overlap > least_overlap:
            break
        noise *= FADE
    return rounded, overlap


def _some(
    sides: NDArray[np.float32], size: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Width and height, drawn anew where they are not above a pixel."""
    return np.array(
        [
            rng.uniform(LEAST_SHARE * whole, MOST_SHARE * whole) if side <= 1 else side
            for side, whole in zip(sides, size, strict=True)
        ],
        np.float32,
    )


def _corners(box: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([box[:2], box[:2] + box[2:]])[None]


@TRANSFORMS.register_module()
class DrawOverlapBoxes(BaseTransform):
    """Draws boxes, and their overlap with the target (ATOM, arXiv:1811.07628, section 3.1).

    Args:
        count: Boxes of a test frame.
        least_overlap: See :func:`perturb_box`.
        sigmas: One of them is drawn for each box.
    """

    def __init__(
        self, count: int = 8, least_overlap: float = 0.1, sigmas: Sequence[float] = SIGMAS
    ) -> None:
        self.count = count
        self.least_overlap = least_overlap
        self.sigmas = sigmas

    def transform(self, results: dict) -> dict:
        """Set ``proposals`` (n, count, 4) and ``overlap`` (n, count), from -1 to 1."""
        rng, frames = results["rng"], results["test"]
        drawn = [
            [
                perturb_box(
                    box, self.least_overlap, self.sigmas[rng.integers(len(self.sigmas))], rng
                )
                for _ in range(self.count)
            ]
            for box in frames["boxes"]
        ]
        frames["proposals"] = np.array([[box for box, _ in row] for row in drawn], np.float32)
        overlap = np.array([[value for _, value in row] for row in drawn], np.float32)
        frames["overlap"] = 2 * overlap - 1
        return results


@TRANSFORMS.register_module()
class DrawDensityBoxes(BaseTransform):
    """Draws boxes from a mixture of Gaussians around the target (PrDiMP, arXiv:2003.12565).

    Centres are shares of the target's size, and sizes are logarithms.

    Args:
        count: Boxes of a test frame.
        sigmas: Deviations of the mixture's components, of equal weight, of centre and of size.
        truth_sigma: Deviation of the density that is to be foretold, of centre and of size.
    """

    def __init__(
        self,
        count: int = 128,
        sigmas: Sequence[tuple[float, float]] = ((0.05, 0.05), (0.5, 0.5)),
        truth_sigma: tuple[float, float] = (0.05, 0.05),
    ) -> None:
        self.count = count
        self.sigmas = torch.tensor(sigmas).repeat_interleave(2, dim=1)
        self.truth_sigma = torch.tensor(truth_sigma).repeat_interleave(2)

    def transform(self, results: dict) -> dict:
        """Set ``proposals`` (n, count, 4), and ``proposal_density`` and ``truth_density``."""
        rng, frames = results["rng"], results["test"]
        drawn = []
        for box in torch.from_numpy(frames["boxes"]):
            chosen = torch.from_numpy(rng.integers(len(self.sigmas), size=self.count))
            noise = torch.from_numpy(rng.standard_normal((self.count, 4))).float()
            offset = noise * self.sigmas[chosen]
            unit = box[2:]
            middle = torch.cat([(box[:2] + unit / 2) / unit, unit.log()])
            drawn.append(
                (
                    from_relative(offset + middle, unit),
                    density(offset[:, None], self.sigmas).mean(dim=-1),
                    density(offset, self.truth_sigma),
                )
            )
        names = ("proposals", "proposal_density", "truth_density")
        for name, values in zip(names, zip(*drawn, strict=True), strict=True):
            frames[name] = torch.stack(values)
        return results


def density(offset: Tensor, sigma: Tensor) -> Tensor:
    """A Gaussian's density (...,) at offsets (..., 4) of deviations (..., 4)."""
    each = torch.exp(-((offset / sigma) ** 2) / 2) / (math.sqrt(2 * math.pi) * sigma)
    return each.prod(dim=-1)
