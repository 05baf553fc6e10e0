"""Track-On: points that are followed online, frame by frame, with a memory."""

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from vovtrack.point import datasets, models, online, schedule, system

__all__ = ["datasets", "models", "online", "schedule", "system"]
