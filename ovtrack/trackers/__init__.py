"""Association rules: what is remembered, and how detections are linked to it."""

from ovtrack.trackers.iou_tracker import IoUTracker
from ovtrack.trackers.linking import Tracker, link
from ovtrack.trackers.motion_tracker import MotionTracker
from ovtrack.trackers.ov_tracker import OVTracker

__all__ = ["IoUTracker", "MotionTracker", "OVTracker", "Tracker", "link"]
