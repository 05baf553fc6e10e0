"""Trackers: what remembers objects across frames and needs no weights."""

from vovtrack.trackers.contract import Tracker, link
from vovtrack.trackers.iou import IoUTracker
from vovtrack.trackers.memory import TrackMemory
from vovtrack.trackers.motion import MotionTracker

__all__ = ["IoUTracker", "MotionTracker", "TrackMemory", "Tracker", "link"]
