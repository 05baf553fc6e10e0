"""Fixtures of the tests of Track-On."""

from __future__ import annotations

import pytest

import vovtrack.registry  # noqa: F401  serves mmcv's operators before mmdet asks for them
from tests.recorded import Recorded


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """What the original Track-On gave."""
    return Recorded("trackon")
