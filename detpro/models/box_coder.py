"""From deltas to boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor

from vovtrack.registry import TASK_UTILS


@TASK_UTILS.register_module()
class DeltaBoxCoder(DeltaXYWHBBoxCoder):
    """mmdet's coder of centre and size (R-CNN, Girshick et al., CVPR 2014, appendix C).

    Numbers and arguments are mmdet's, but to decode sends no table of means to the device, for
    which the host would have to wait.
    """

    def decode(
        self,
        bboxes: Tensor,
        pred_bboxes: Tensor,
        max_shape: Sequence[int] | None = None,
        wh_ratio_clip: float = 16 / 1000,
    ) -> Tensor:
        """Boxes (N, 4) that deltas make of others.

        Args:
            bboxes: (N, 4) boxes (x1, y1, x2, y2).
            pred_bboxes: (N, 4) deltas.
            max_shape: (height, width) of the image to clip to.
            wh_ratio_clip: No side shrinks by more, or grows by more than its inverse.
        """
        columns = zip(pred_bboxes.unbind(dim=1), self.means, self.stds, strict=True)
        dx, dy, dw, dh = (delta * std + mean for delta, mean, std in columns)
        x1, y1, x2, y2 = bboxes.unbind(dim=1)
        limit = abs(math.log(wh_ratio_clip))
        sides = []
        for low, high, shift, growth, axis in ((x1, x2, dx, dw, 1), (y1, y2, dy, dh, 0)):
            length = high - low
            centre = (low + high) * 0.5 + length * shift
            half = length * growth.clamp(-limit, limit).exp() * 0.5
            ends = torch.stack([centre - half, centre + half])
            if self.clip_border and max_shape is not None:
                ends = ends.clamp(0, max_shape[axis])
            sides.append(ends)
        return torch.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], dim=1)
