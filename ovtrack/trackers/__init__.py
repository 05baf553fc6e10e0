"""The trackers of OVTrack, VOVTrack and QDTrack."""

from ovtrack.trackers.ov_tracker import OVTracker
from ovtrack.trackers.quasi_dense_tracker import QuasiDenseTracker

__all__ = ["OVTracker", "QuasiDenseTracker"]
