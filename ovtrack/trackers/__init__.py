"""The tracker of OVTrack and VOVTrack."""

from ovtrack.trackers.ov_tracker import OVTracker

__all__ = ["OVTracker"]
