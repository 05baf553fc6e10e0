"""Which anchors learn which object."""

from __future__ import annotations

import torch
from mmdet.models.task_modules.assigners import AssignResult, MaxIoUAssigner
from torch import Tensor

from vovtrack.registry import TASK_UTILS


@TASK_UTILS.register_module()
class OwnBestIoUAssigner(MaxIoUAssigner):
    """mmdet's assigner, where an anchor learns the object that it overlaps most, always.

    An object that no anchor overlaps enough makes its best anchors positive (Ren et al., NeurIPS
    2015, section 3.1.2). In mmdet these anchors learn that object even if they overlap another one
    more. Here, as in the released QDTrack, they are positive and learn the other one.

    Args:
        **kwargs: Of mmdet's ``MaxIoUAssigner``, all but ``match_low_quality``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(match_low_quality=False, **kwargs)

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """Assign by the IoU of objects and anchors.

        Args:
            overlaps: (G, N).
            gt_labels: (G,).
        """
        assigned = super().assign_wrt_overlaps(overlaps, gt_labels)
        if overlaps.numel() == 0:
            return assigned
        best = overlaps.max(dim=1, keepdim=True).values
        claimed = ((overlaps == best) & (best >= self.min_pos_iou)).any(dim=0)
        own = overlaps.argmax(dim=0)
        assigned.gt_inds = torch.where(claimed, own + 1, assigned.gt_inds)
        assigned.labels = torch.where(claimed, gt_labels[own], assigned.labels)
        return assigned
