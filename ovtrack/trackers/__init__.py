"""Association rules: what is remembered, and how detections are linked to it."""

from ovtrack.trackers.iou_tracker import IoUTracker
from ovtrack.trackers.ov_tracker import OVTracker

__all__ = ["IoUTracker", "OVTracker"]
