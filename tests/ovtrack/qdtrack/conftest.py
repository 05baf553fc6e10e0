"""Fixtures of the tests of QDTrack."""

from __future__ import annotations

import pytest

from tests.recorded import Recorded


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """What the original QDTrack gave."""
    return Recorded("qdtrack")
