"""What Track-On declares of itself, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from vovtrack.engine.systems import System, declare
from vovtrack.point.models.keys import TRACK_ON

POINTS = System(package=__package__, layouts=(TRACK_ON,))

declare(POINTS)
