"""What OVTrack declares of itself, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from ovtrack.export_graphs import export_tracker
from ovtrack.models.key_map import OVTRACK
from ovtrack.models.qdtrack_keys import QDTRACK, QDTRACK_YOLOX, YOLOX
from ovtrack.old_options import OLD_OPTIONS
from vovtrack.engine.systems import System, declare

TRACKING = System(
    package=__package__,
    layouts=(QDTRACK, QDTRACK_YOLOX, YOLOX, OVTRACK),
    old_options=OLD_OPTIONS,
    export=export_tracker,
)

declare(TRACKING)
