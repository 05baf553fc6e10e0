"""What is to be found in search areas, as maps."""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform

from vovtrack.registry import TRANSFORMS
from vovtrack.sot.datasets.pipeline import PARTS
from vovtrack.sot.labels import centre_region, gaussian_label, normalize_density, side_distances


@TRANSFORMS.register_module()
class LabelCentres(BaseTransform):
    """Where the target's centre is: a Gaussian, and if wanted a density.

    Args:
        size: Cells of a side of the map that a filter is applied to.
        stride: Pixels of a cell.
        sigma_factor: Deviation as a share of the map's side.
        filter_size: Of the filter.
        density: Make densities, too, of the same deviation.
        threshold: See :func:`~vovtrack.sot.labels.normalize_density`.
        shrink: See there.
    """

    def __init__(
        self,
        size: int,
        stride: int = 16,
        sigma_factor: float = 0.05,
        filter_size: int = 4,
        density: bool = False,
        threshold: float = 0.0,
        shrink: float = 0.0,
    ) -> None:
        self.size, self.stride = size, stride
        self.sigma_factor, self.filter_size = sigma_factor, filter_size
        self.density, self.threshold, self.shrink = density, threshold, shrink

    def transform(self, results: dict) -> dict:
        """Set ``label`` (n, H, W), and ``density``, of both parts."""
        settings = (self.sigma_factor, self.filter_size, self.size, self.stride)
        for part in PARTS:
            boxes = torch.from_numpy(results[part]["boxes"])
            results[part]["label"] = gaussian_label(boxes, *settings, density=False)
            if self.density:
                found = gaussian_label(boxes, *settings, density=True)
                found = normalize_density(found, self.threshold, self.shrink)
                results[part]["density"] = found
        return results


@TRANSFORMS.register_module()
class LabelSides(BaseTransform):
    """How far the target's sides are from each cell, and which cells tell it (ToMP).

    Args:
        size: Rows and columns of the map.
        stride: Pixels of a cell.
        radius: See :func:`~vovtrack.sot.labels.centre_region`.
    """

    def __init__(self, size: int, stride: int = 16, radius: float = 1.0) -> None:
        self.size, self.stride, self.radius = size, stride, radius

    def transform(self, results: dict) -> dict:
        """Set ``sides`` (n, 4, H, W) and ``region`` (n, H, W) bool of both parts."""
        for part in PARTS:
            boxes = torch.from_numpy(results[part]["boxes"])
            results[part]["sides"] = side_distances(boxes, self.size, self.stride)
            results[part]["region"] = centre_region(boxes, self.size, self.stride, self.radius)
        return results
