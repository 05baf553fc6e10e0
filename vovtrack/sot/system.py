"""What the trackers of single objects declare, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from vovtrack.engine.systems import System, declare
from vovtrack.sot.models.keys import NETWORKS

SINGLE_OBJECTS = System(package=__package__, layouts=NETWORKS)

declare(SINGLE_OBJECTS)
