"""Association by overlap alone: the baseline that shows how much appearance is worth."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment

from vovtrack.ops.boxes import pairwise_iou
from vovtrack.registry import MODELS
from vovtrack.trackers.memory import TrackMemory


@MODELS.register_module()
class IoUTracker:
    """Links each detection to the track whose last box it overlaps most.

    Optimal assignment on IoU, classes play no role (Bochinski et al., AVSS 2017, with an
    optimal instead of a greedy assignment).

    Args:
        iou_thr: Smallest overlap of a link.
        memo_frames: A track not seen for this many frames is forgotten.
    """

    fields = ()

    def __init__(self, iou_thr: float = 0.3, memo_frames: int = 10) -> None:
        self.iou_thr = iou_thr
        self.memory = TrackMemory(("bboxes",), memo_frames)

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""
        self.memory.reset()

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame, ``bboxes`` (n, 4); adds ``instances_id`` (n,)."""
        bboxes = instances.bboxes.numpy(force=True).astype(np.float32)
        memory = self.memory
        rows = np.full(len(bboxes), -1)
        if len(memory) and len(bboxes):
            ious = pairwise_iou(bboxes, memory["bboxes"])
            found, columns = linear_sum_assignment(-ious)
            linked = ious[found, columns] >= self.iou_thr
            rows[found[linked]] = columns[linked]
        matched = rows >= 0
        ids = np.full_like(rows, -1)
        ids[matched] = memory.ids[rows[matched]]
        ids[~matched] = memory.issue_ids(int((~matched).sum()))
        memory.update(rows[matched], frame_id, bboxes=bboxes[matched])
        memory.append(ids[~matched], frame_id, bboxes=bboxes[~matched])
        memory.forget(frame_id)
        instances = instances.cpu()
        instances.instances_id = torch.from_numpy(ids)
        return instances
