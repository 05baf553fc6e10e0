"""A first filter of a target."""

from __future__ import annotations

from torch import Tensor, nn

from vovtrack.ops.boxes import corners_of
from vovtrack.ops.precise_roi_pooling import precise_roi_pool


class FilterInitializer(nn.Module):
    """Pool features inside the target's box (DiMP, arXiv:1904.07220, section 3.4).

    Args:
        channels: Of the features.
        filter_size: Of the filter.
        stride: Pixels of a cell.
        zero: Whether first filters are 0 until training changes that (PrDiMP, arXiv:2003.12565).
    """

    def __init__(
        self, channels: int, filter_size: int = 4, stride: int = 16, zero: bool = False
    ) -> None:
        super().__init__()
        self.filter_size, self.stride = filter_size, stride
        self.filter_conv = nn.Conv2d(channels, channels, 3, padding=1)
        if zero:
            for value in self.filter_conv.parameters():
                nn.init.zeros_(value)

    def forward(self, feat: Tensor, boxes: Tensor) -> Tensor:
        """The mean over the images of each sequence.

        Args:
            feat: (images, sequences, C, H, W).
            boxes: (images, sequences, 4) boxes (x, y, w, h) in pixels.

        Returns:
            (sequences, C, k, k).
        """
        images, sequences = boxes.shape[:2]
        maps = self.filter_conv(feat.flatten(0, 1))
        bins = (self.filter_size, self.filter_size)
        corners = corners_of(boxes).view(-1, 1, 4)
        pooled = precise_roi_pool(maps, corners, bins, 1 / self.stride)
        return pooled.view(images, sequences, *pooled.shape[2:]).mean(dim=0)
