"""What DetPro declares of itself, see :class:`vovtrack.engine.systems.System`."""

from __future__ import annotations

from detpro.models.key_map import CASCADE, DETPRO, SOCO
from detpro.old_options import OLD_OPTIONS
from vovtrack.engine.systems import System, declare

DETECTION = System(
    package=__package__,
    layouts=(CASCADE, DETPRO, SOCO),
    old_options=OLD_OPTIONS,
)

declare(DETECTION)
