"""What Track-On declares of itself, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from vovtrack.engine.systems import System, declare
from vovtrack.point.models.keys import TRACK_ON, TRACK_ON2

POINTS = System(package=__package__, layouts=(TRACK_ON, *TRACK_ON2))

declare(POINTS)
