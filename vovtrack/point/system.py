"""What Track-On declares of itself, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from vovtrack.engine.systems import System, declare

POINTS = System(package=__package__)

declare(POINTS)
