"""The baseline that sees positions only."""

from __future__ import annotations

import torch
from mmengine.structures import InstanceData

from vovtrack.trackers import IoUTracker


def boxes(*corners: int) -> InstanceData:
    return InstanceData(
        bboxes=torch.tensor([[x, 0.0, x + 10, 10] for x in corners]).reshape(-1, 4),
        scores=torch.ones(len(corners)),
    )


def test_identity_follows_position():
    tracker = IoUTracker(iou_thr=0.3)
    assert tracker.update(boxes(0, 50, 100), 0).instances_id.tolist() == [0, 1, 2]
    assert tracker.update(boxes(102, 2, 200), 1).instances_id.tolist() == [2, 0, 3]


def test_crossing_objects_are_assigned_together():
    tracker = IoUTracker(iou_thr=0.1)
    tracker.update(boxes(0, 8), 0)
    assert tracker.update(boxes(4, 12), 1).instances_id.tolist() == [0, 1]


def test_lost_tracks_are_forgotten():
    tracker = IoUTracker(memo_frames=2)
    tracker.update(boxes(0), 0)
    tracker.update(boxes(90), 3)
    assert tracker.update(boxes(0), 4).instances_id.tolist() == [2]
    tracker.reset()
    assert tracker.update(boxes(), 0).instances_id.tolist() == []
    assert tracker.update(boxes(0), 1).instances_id.tolist() == [0]
