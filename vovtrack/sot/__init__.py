"""Single objects: what somebody drew a box around is learned online and followed."""

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from vovtrack.sot import atom, datasets, keep_track, models, online, system, tomp

__all__ = ["atom", "datasets", "keep_track", "models", "online", "system", "tomp"]
