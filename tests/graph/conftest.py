"""Fixtures of the tests of tracking in graphs."""

from __future__ import annotations

import pytest

from tests.recorded import Recorded


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """What the original graph tracker gave."""
    return Recorded("lgmot")
