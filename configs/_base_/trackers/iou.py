"""Overlap with the last box alone."""

model = dict(tracker=dict(type="IoUTracker", iou_thr=0.3, memo_frames=10))
