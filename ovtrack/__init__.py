"""OVTrack: appearance association for open-vocabulary multi-object tracking."""

from ovtrack import datasets, models, trackers

__all__ = ["datasets", "models", "trackers"]
