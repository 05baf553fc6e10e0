"""OVTrack: appearance association for open-vocabulary multi-object tracking."""

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from ovtrack import datasets, hooks, models, online, system, trackers

__all__ = ["datasets", "hooks", "models", "online", "system", "trackers"]
