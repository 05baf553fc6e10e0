"""Fixtures of the tests of single objects."""

from __future__ import annotations

import pytest

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from tests.recorded import Recorded


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """What the original trackers of single objects gave."""
    return Recorded("sot")
